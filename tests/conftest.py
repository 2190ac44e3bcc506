"""What every test runs in: a folder of its own, and nothing of the caller's environment."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis_settings

from tests.fault_server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A script that starts the tests in the background has them ignore Ctrl-C, and embclust does not
# take an ignored signal back, as `nohup` wants it; the tests send it one.
signal.signal(signal.SIGINT, signal.default_int_handler)

_LEAKS = ("EMBCLUST_", "CHROMA_", "OPENAI_")
# How long an example takes depends on the machine; tests never assert times.
hypothesis_settings.register_profile("embclust", deadline=None)
hypothesis_settings.load_profile("embclust")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder (the default workspace lies in it), without outside settings."""
    for name in list(os.environ):
        if name.upper().startswith(_LEAKS) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("ANONYMIZED_TELEMETRY", "False")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    cwd = tmp_path / "cwd"
    cwd.mkdir(exist_ok=True)
    monkeypatch.chdir(cwd)


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """A real HTTP server on loopback that has every fault; see tests/fault_server.py."""
    with FaultServer() as server:
        yield server
