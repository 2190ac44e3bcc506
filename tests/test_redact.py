from __future__ import annotations

import logging

import pytest

from embclust.redact import quiet_loggers, redact


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://user:SECRET@host/a.jpg", "https://***@host/a.jpg"),
        ("https://SECRET@host/a.jpg", "https://***@host/a.jpg"),
        ("https://user:SEC@RET@host/a.jpg", "https://***@host/a.jpg"),
        ("https://user:SEC/RET@host/a.jpg", "https://***@host/a.jpg"),
        ("//user:SECRET@host/a.jpg", "//***@host/a.jpg"),
        ("http://h/a?X-Amz-Signature=SECRET&w=1", "http://h/a?X-Amz-Signature=***&w=1"),
        ("http://h/a?w=1&X-Amz-Credential=SECRET", "http://h/a?w=1&X-Amz-Credential=***"),
        ("http://h/a?x%2Damz%2Dsignature=SECRET", "http://h/a?x%2Damz%2Dsignature=***"),
        ("http://h/a?sv=1&sig=SECRET%3D", "http://h/a?sv=1&sig=***"),
        ("http://h/a?Signature=SECRET&Expires=SECRET", "http://h/a?Signature=***&Expires=***"),
        ("http://h/a?Policy=SECRET&Key-Pair-Id=SECRET", "http://h/a?Policy=***&Key-Pair-Id=***"),
        ("http://h/a?access_token=SECRET", "http://h/a?access_token=***"),
        ("http://h/a?API_KEY=SECRET", "http://h/a?API_KEY=***"),
        ("http://h/a#access_token=SECRET", "http://h/a#access_token=***"),
        ("http://h/a?a=1;token=SECRET", "http://h/a?a=1;token=***"),
        ("http://p/?url=http%3A%2F%2Fh%2F%3Fsig%3DSECRET", "http://p/?url=***"),
        ("http://p/?to=http://u:SECRET@h/x?sig=SECRET", "http://p/?to=http://***@h/x?sig=***"),
        (
            'failed: "https://u:SECRET@h/x" and http://h/?key=SECRET, twice',
            'failed: "https://***@h/x" and http://h/?key=*** twice',
        ),
    ],
)
def test_secrets_are_masked_and_the_rest_is_kept(text: str, clean: str) -> None:
    assert redact(text) == clean
    assert "SECRET" not in clean


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a plain sentence, mail@example.org, 3 = 3",
        "https://host:8080/@user/photo.jpg?width=200&id=7",
        "https://host/a.jpg?url=http%3A%2F%2Fother%2Fb.jpg",
        "https://host/watch?v=abc#t=10",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_redacting_twice_changes_nothing() -> None:
    once = redact("https://u:p@h/?sig=1&x=2")
    assert redact(once) == once


def test_quiet_loggers(caplog: pytest.LogCaptureFixture) -> None:
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.INFO)
        quiet_loggers()
        loggers[0].info("GET https://u:SECRET@h")
        loggers[0].warning("kept")
        assert caplog.messages == ["kept"]
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
