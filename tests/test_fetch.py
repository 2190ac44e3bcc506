from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embclust.config import ImagesSettings
from embclust.fetch import Fetched, FetchFailure, FetchJob, Outcome, fetch_all, source_key
from embclust.fetch_http import OUTPUT_QUEUE
from tests.fault_server import FaultServer, jpeg


def settings(**changes: Any) -> ImagesSettings:
    quick = {"timeout": 5.0, "retries": 0, "allow_private_hosts": True}
    return ImagesSettings.model_validate({**quick, **changes})


def never() -> bool:
    return False


def fetch(refs: list[str], given: ImagesSettings, folder: Path = Path()) -> dict[str, Outcome]:
    jobs = [FetchJob(n, ref) for n, ref in enumerate(refs)]
    done = list(fetch_all(jobs, given, folder, never))
    assert sorted(job.key for job, _ in done) == list(range(len(refs)))  # type: ignore[type-var]
    return {job.ref: outcome for job, outcome in done}


def one(ref: str, given: ImagesSettings, folder: Path = Path()) -> Outcome:
    return fetch([ref], given, folder)[ref]


def failure(ref: str, given: ImagesSettings, folder: Path = Path()) -> FetchFailure:
    outcome = one(ref, given, folder)
    assert isinstance(outcome, FetchFailure), outcome
    return outcome


def fetched(ref: str, given: ImagesSettings, folder: Path = Path()) -> Fetched:
    outcome = one(ref, given, folder)
    assert isinstance(outcome, Fetched), outcome
    return outcome


def test_pictures_come_back_whole(fault_server: FaultServer) -> None:
    urls = [f"{fault_server.url}/ok/{n}.jpg?noise={n}" for n in range(1, 40)]
    done = fetch(urls, settings())
    for n, url in enumerate(urls, start=1):
        assert done[url] == Fetched(jpeg(noise=n))
    assert fault_server.settled()
    assert fault_server.connections <= 8, "connections are used again"


def test_what_is_sent(fault_server: FaultServer) -> None:
    fetched(f"{fault_server.url}/ok/a.jpg", settings())
    fetched(f"{fault_server.url}/ok/a.jpg", settings(user_agent="museum/1"))
    first, second = fault_server.requests
    assert first.headers["accept-encoding"] == "identity"
    assert first.headers["user-agent"].startswith("embclust/")
    assert second.headers["user-agent"] == "museum/1"
    assert "cookie" not in first.headers


def test_blanks_around_a_url_and_odd_letters_in_it(fault_server: FaultServer) -> None:
    for name in (" {}/ok/a b.jpg\n", "{}/ok/é.jpg", "\t{}/ok/%20x.jpg "):
        assert fetched(name.format(fault_server.url), settings()).body == jpeg()


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("", "no URL and no path"),
        ("   \n", "no URL and no path"),
        ("//cdn/x.jpg", "not an absolute http(s) URL"),
        ("www.example.com/a.jpg", "not an absolute http(s) URL"),
        ("http:/x.jpg", "not an absolute http(s) URL"),
        ("https:x.jpg", "not an absolute http(s) URL"),
        ("http://", "not an absolute http(s) URL"),
        ("http:///a.jpg", "not an absolute http(s) URL"),
        ("example.com/a.jpg", "no such file (and not an absolute http(s) URL)"),
        ("file:///etc/passwd", "unsupported scheme 'file'"),
        ("data:image/png;base64,AAAA", "unsupported scheme 'data'"),
        ("s3://bucket/a.jpg", "unsupported scheme 's3'"),
        ("FTP://host/a.jpg", "unsupported scheme 'ftp'"),
        ("http://h:port/a.jpg", "not a valid URL"),
        ("http://[::1/a.jpg", "not a valid URL"),
        ("http://a\0b/a.jpg", "not a valid URL"),
        ("http://" + "a" * 70_000, "not a valid URL"),
        ("no/such.jpg", "no such file"),
        ("with\0nul.jpg", "not a valid path"),
        ("x" * 5000, "cannot be read"),
        ("\ud800.jpg", "no"),
    ],
)
def test_cells_that_are_no_reference(ref: str, words: str, tmp_path: Path) -> None:
    outcome = failure(ref, settings(), tmp_path)
    assert outcome.reason.startswith(words)
    assert not outcome.retryable or words == "cannot be read"
    assert outcome.attempts <= 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 451])
def test_final_answers_are_not_tried_again(code: int, fault_server: FaultServer) -> None:
    outcome = failure(f"{fault_server.url}/status/{code}/a", settings(retries=3))
    assert outcome == FetchFailure(f"http {code}", False, 1, f"http {code}")
    assert fault_server.hits.total() == 1


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(code: int, fault_server: FaultServer) -> None:
    given = settings(retries=1)
    outcome = failure(f"{fault_server.url}/status/{code}/a", given)
    assert outcome == FetchFailure(f"http {code}", True, 2, f"http {code}")
    assert fetched(f"{fault_server.url}/flaky/1/a?status={code}", given).attempts == 2


def test_twice_500_then_fine(fault_server: FaultServer) -> None:
    outcome = fetched(f"{fault_server.url}/flaky/2/a", settings(retries=4))
    assert outcome == Fetched(jpeg(), attempts=3)


def test_retry_after_in_seconds(fault_server: FaultServer) -> None:
    failure(f"{fault_server.url}/status/429/a?retry_after=1", settings(retries=1))
    first, second = fault_server.times["/status/429/a"]
    assert 0.95 < second - first < 2


def test_retry_after_as_a_date(fault_server: FaultServer) -> None:
    failure(f"{fault_server.url}/status/503/a?retry_date=2", settings(retries=1))
    first, second = fault_server.times["/status/503/a"]
    assert 0.8 < second - first < 3, "an HTTP date has whole seconds"


def test_retry_after_beyond_the_cap_waits_the_cap_and_gives_up(fault_server: FaultServer) -> None:
    given = settings(retries=9, retry_after_cap=0.3)
    outcome = failure(f"{fault_server.url}/status/429/a?retry_after=9999", given)
    first, second = fault_server.times["/status/429/a"]
    assert 0.25 < second - first < 1.5
    assert outcome.attempts == 2
    assert outcome.reason == "http 429, the server asks to wait 9999 s"


@pytest.mark.parametrize("value", ["soon", "-5", "Mon, 99 Foo 2026", "1e999"])
def test_retry_after_nonsense(value: str, fault_server: FaultServer) -> None:
    outcome = failure(f"{fault_server.url}/status/503/a?retry_after={value}", settings(retries=1))
    assert outcome.kind == "http 503"


def test_a_429_quiets_its_host(fault_server: FaultServer) -> None:
    given = settings(retries=1, per_host=1, workers=2)
    urls = [f"{fault_server.url}/status/429/a?retry_after=1", f"{fault_server.url}/ok/b"]
    done = fetch(urls, given)
    assert isinstance(done[urls[1]], Fetched)
    assert fault_server.times["/ok/b"][0] - fault_server.times["/status/429/a"][0] > 0.9


@pytest.mark.parametrize("route", ["slow-headers", "slow-body", "ok"])
def test_deadline_is_for_the_whole_attempt(route: str, fault_server: FaultServer) -> None:
    started = time.monotonic()
    url = f"{fault_server.url}/{route}/a" + ("?delay=30" if route == "ok" else "")
    outcome = failure(url, settings(timeout=0.5))
    assert outcome == FetchFailure("deadline of 0.5 s passed", True, 1, "deadline")
    assert time.monotonic() - started < 1.5
    assert fault_server.settled()


def test_deadlines_are_tried_again(fault_server: FaultServer) -> None:
    assert (
        failure(f"{fault_server.url}/slow-body/a", settings(timeout=0.2, retries=1)).attempts == 2
    )


@pytest.mark.parametrize("route", ["endless/a", "big/a?bytes=25000000"])
def test_too_large(route: str, fault_server: FaultServer) -> None:
    outcome = failure(f"{fault_server.url}/{route}", settings(retries=2, max_bytes="2MB"))
    assert outcome.reason == "too large (more than 2,000,000 bytes, images.max_bytes)"
    assert (outcome.attempts, outcome.retryable) == (1, False)
    assert fault_server.settled()
    # What the server got rid of is more than was read by what the sockets' buffers hold.
    assert fault_server.bytes_sent < 2_000_000 + 8_000_000


def test_compressed_although_not_asked(fault_server: FaultServer) -> None:
    assert fetched(f"{fault_server.url}/gzip/a", settings()).body == jpeg(noise=1)
    assert failure(f"{fault_server.url}/gzip-bomb/a", settings()).kind == "too large"
    assert "'br'" in failure(f"{fault_server.url}/brotli/a", settings()).reason


@pytest.mark.parametrize(
    ("route", "kind"),
    [
        ("short", "broken answer"),
        ("garbage", "broken answer"),
        ("long-header", "broken answer"),
        ("rst", "connection broken"),
        ("rst-body", "connection broken"),
    ],
)
def test_broken_answers_are_tried_again(route: str, kind: str, fault_server: FaultServer) -> None:
    outcome = failure(f"{fault_server.url}/{route}/a", settings(retries=1))
    assert (outcome.kind, outcome.retryable, outcome.attempts) == (kind, True, 2)
    assert fault_server.settled()


@pytest.mark.parametrize(
    ("route", "reason"), [("empty", "empty (0 bytes)"), ("nothing", "empty (http 204)")]
)
def test_empty(route: str, reason: str, fault_server: FaultServer) -> None:
    assert failure(f"{fault_server.url}/{route}/a", settings()).reason == reason


def test_content_type_decides_nothing(fault_server: FaultServer) -> None:
    assert fetched(f"{fault_server.url}/body/html/a", settings()).body.startswith(b"<!DOCTYPE")


def test_refused_and_tls(fault_server: FaultServer) -> None:
    given = settings(retries=1)
    outcome = failure("http://127.0.0.1:9/a", given)
    assert (outcome.kind, outcome.attempts, outcome.retryable) == ("refused", 2, True)
    secure = failure(f"https://127.0.0.1:{fault_server.port}/a", given)
    assert (secure.kind, secure.attempts) == ("tls", 2)
    assert "TLS error at 127.0.0.1" in secure.reason


def test_redirects(fault_server: FaultServer) -> None:
    for status in (301, 302, 303, 307, 308):
        url = f"{fault_server.url}/redirect/a?to=/ok/b.jpg&status={status}"
        assert fetched(url, settings()).body == jpeg()
    assert fetched(f"{fault_server.url}/hops/10/a", settings()).body == jpeg()
    assert failure(f"{fault_server.url}/hops/11/a", settings()).reason == "more than 10 redirects"
    assert failure(f"{fault_server.url}/loop/a", settings()).kind == "redirects"


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("file:///etc/passwd", "redirect to unsupported scheme 'file'"),
        ("ftp://host/a", "redirect to unsupported scheme 'ftp'"),
        ("http://h:port/", "redirect to what is not a valid URL"),
    ],
)
def test_redirects_elsewhere(to: str, reason: str, fault_server: FaultServer) -> None:
    outcome = failure(f"{fault_server.url}/redirect/a?to={to}", settings(retries=2))
    assert outcome.reason.startswith(reason)
    assert outcome.attempts == 1


def test_conditional_requests(fault_server: FaultServer) -> None:
    url = f"{fault_server.url}/etag/a.jpg"
    first = fetched(url, settings())
    assert first.etag == '"v1"'
    assert first.last_modified
    for job in (
        FetchJob(1, url, etag=first.etag),
        FetchJob(1, url, last_modified=first.last_modified),
    ):
        [(same, outcome)] = fetch_all([job], settings(), Path(), never)
        assert same is job
        assert isinstance(outcome, Fetched)
        assert (outcome.not_modified, outcome.body, outcome.etag) == (True, b"", '"v1"')
    [(_, changed)] = fetch_all([FetchJob(1, url, etag='"v0"')], settings(), Path(), never)
    assert isinstance(changed, Fetched)
    assert (changed.not_modified, changed.body) == (False, jpeg())
    assert failure(f"{fault_server.url}/status/304/a", settings()).kind == "http 304"


def test_secrets_are_used_but_not_told(
    fault_server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    host = fault_server.url.removeprefix("http://")
    assert fetched(f"http://user:pass@{host}/auth/a", settings()).body == jpeg()
    signed = f"{fault_server.url}/signed/a?X-Amz-Signature=CANARY"
    assert fetched(signed, settings()).body == jpeg()
    told = failure(f"http://user:CANARY@{host}/status/404/a?sig=CANARY", settings()).reason
    told += failure("http://user:CANARY@127.0.0.1:9/?sig=CANARY", settings()).reason
    told += failure("http://user:CANARY@h:port/?sig=CANARY", settings()).reason
    to = f"{fault_server.url}/redirect/a?to=ftp://user:CANARY@h/%3Fsig=CANARY"
    told += failure(to, settings()).reason
    assert "CANARY" not in told
    assert "CANARY" not in caplog.text
    assert "CANARY" not in source_key(signed, Path(), settings())


def test_workers_and_hosts_are_bounded(fault_server: FaultServer) -> None:
    urls = [f"{fault_server.url}/ok/{n}?delay=0.05" for n in range(24)]
    fetch(urls, settings(workers=16, per_host=3))
    assert fault_server.most_open == 3
    fault_server.most_open = 0
    urls = [f"http://127.0.0.{n % 3 + 1}:{fault_server.port}/ok/{n}?delay=0.05" for n in range(8)]
    with FaultServer(host="127.0.0.2", port=fault_server.port):
        fetch(urls[::3], settings(workers=2, per_host=8))
    assert fault_server.most_open == 2


def test_a_slow_host_does_not_keep_the_others_waiting(fault_server: FaultServer) -> None:
    with FaultServer() as other:
        slow = [f"{fault_server.url}/slow-body/{n}" for n in range(8)]
        quick = [f"{other.url}/ok/{n}" for n in range(20)]
        given = settings(workers=4, per_host=2, timeout=0.5)
        order = [job.ref for job, _ in fetch_all(jobs(slow + quick), given, Path(), never)]
    assert set(order[:20]) == set(quick)


def jobs(refs: list[str]) -> Iterator[FetchJob]:
    return (FetchJob(n, ref) for n, ref in enumerate(refs))


def test_a_slow_consumer_holds_the_downloads_back(fault_server: FaultServer) -> None:
    urls = [f"{fault_server.url}/ok/{n}" for n in range(300)]
    pulled = 0

    def counted() -> Iterator[FetchJob]:
        nonlocal pulled
        for job in jobs(urls):
            pulled += 1
            yield job

    running = fetch_all(counted(), settings(workers=4), Path(), never)
    next(running)
    time.sleep(0.4)
    assert fault_server.hits.total() <= 1 + 4 + OUTPUT_QUEUE
    assert pulled <= 1 + 8 * 4
    assert len(list(running)) == 299


def test_closing_cancels_at_once(fault_server: FaultServer) -> None:
    urls = [f"{fault_server.url}/ok/0", *(f"{fault_server.url}/slow-body/{n}" for n in range(50))]
    running = fetch_all(jobs(urls), settings(timeout=60), Path(), never)
    next(running)
    started = time.monotonic()
    running.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 1
    assert fault_server.settled()
    assert not [thread for thread in threading.enumerate() if thread.name == "embclust-fetch"]


def test_stop_ends_the_run(fault_server: FaultServer) -> None:
    stop = threading.Event()
    urls = [f"{fault_server.url}/slow-headers/{n}" for n in range(50)]
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    assert not list(fetch_all(jobs(urls), settings(timeout=60), Path(), stop.is_set))
    assert time.monotonic() - started < 1.5
    assert fault_server.settled()


def test_an_error_of_the_caller_passes_through(fault_server: FaultServer) -> None:
    def broken() -> Iterator[FetchJob]:
        yield FetchJob(1, f"{fault_server.url}/slow-body/a")
        raise KeyError("table")

    with pytest.raises(KeyError, match="table"):
        list(fetch_all(broken(), settings(), Path(), never))
    assert fault_server.settled()


# Local files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table = tmp_path / "table"
    (table / "images").mkdir(parents=True)
    (table / "images" / "a.jpg").write_bytes(b"A")
    (table / "12:30.jpg").write_bytes(b"colon")
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    return table


def test_local_files(folder: Path) -> None:
    (folder / "link.jpg").symlink_to("images/a.jpg")
    (folder / "www.x").mkdir()
    (folder / "www.x" / "b.jpg").write_bytes(b"B")
    for ref in (
        "images/a.jpg",
        " images/a.jpg\n",
        "./images/../images/a.jpg",
        str(folder / "images/a.jpg"),
        "link.jpg",
    ):
        assert fetched(ref, settings(), folder) == Fetched(b"A")
    assert fetched("12:30.jpg", settings(), folder).body == b"colon"
    assert fetched("www.x/b.jpg", settings(), folder).body == b"B"


def test_outside_the_root(folder: Path) -> None:
    (folder / "link.jpg").symlink_to("../outside.jpg")
    (folder / "up").symlink_to("..")
    (folder.parent / "table-2").mkdir()
    (folder.parent / "table-2" / "a.jpg").write_bytes(b"2")
    for ref in (
        "../outside.jpg",
        "images/../../outside.jpg",
        str(folder.parent / "outside.jpg"),
        "link.jpg",
        "up/outside.jpg",
        "../table-2/a.jpg",
        "../no-such.jpg",
        "/etc/passwd",
    ):
        outcome = failure(ref, settings(), folder)
        assert outcome == FetchFailure("outside images.root", False, 1, "outside images.root"), ref


def test_root_of_its_own(folder: Path) -> None:
    given = settings(root=folder.parent)
    assert fetched("../outside.jpg", given, folder).body == b"secret"
    assert fetched("outside.jpg", given, folder).body == b"secret", "also from the root"
    assert fetched("images/a.jpg", given, folder).body == b"A"
    narrow = settings(root=folder / "images")
    assert fetched("a.jpg", narrow, folder).body == b"A"
    assert failure("../outside.jpg", narrow, folder).reason == "outside images.root"
    assert failure("12:30.jpg", narrow, folder).reason == "no such file"


def test_not_a_regular_file(folder: Path) -> None:
    os.mkfifo(folder / "fifo.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    for ref in ("fifo.jpg", "/dev/zero", "zero.jpg", "images", "images/", "."):
        assert failure(ref, settings(), folder).reason == "not a regular file", ref


def test_local_size(folder: Path) -> None:
    (folder / "empty.jpg").write_bytes(b"")
    with (folder / "huge.jpg").open("wb") as file:
        file.truncate(30_000_000)
    assert failure("empty.jpg", settings(), folder).kind == "empty"
    outcome = failure("huge.jpg", settings(), folder)
    assert (outcome.reason, outcome.kind) == ("too large (30,000,000 bytes)", "too large")


def test_unreadable_file(folder: Path) -> None:
    path = folder / "images" / "a.jpg"
    path.chmod(0)
    for parent in list(folder.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65_534)  # root may read everything
        outcome = failure("images/a.jpg", settings(), folder)
    finally:
        if root:
            os.seteuid(0)
    assert outcome.reason == "permission denied (the file cannot be read)"
    assert outcome.retryable


def test_files_and_urls_together(fault_server: FaultServer, folder: Path) -> None:
    refs = []
    for n in range(200):
        (folder / f"{n}.jpg").write_bytes(b"%d" % n)
        refs += [f"{n}.jpg", f"{fault_server.url}/ok/{n}", f"no-such-{n}.jpg"]
    done = fetch(refs, settings(workers=4), folder)
    assert all(done[f"{n}.jpg"] == Fetched(b"%d" % n) for n in range(200))
    assert sum(isinstance(outcome, Fetched) for outcome in done.values()) == 400


def test_a_slow_consumer_holds_the_files_back(folder: Path) -> None:
    for n in range(100):
        (folder / f"{n}.jpg").write_bytes(b"x")
    pulled: queue.SimpleQueue[int] = queue.SimpleQueue()

    def counted() -> Iterator[FetchJob]:
        for n in range(100):
            pulled.put(n)
            yield FetchJob(n, f"{n}.jpg")

    running = fetch_all(counted(), settings(workers=4), folder, never)
    next(running)
    assert pulled.qsize() <= 4 + 8 + 1
    assert len(list(running)) == 99


def test_source_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings()
    url = source_key("https://u:secret@h/a.jpg", folder, given)
    assert url.startswith("url:")
    assert len(url) == 36
    assert url == source_key(" https://u:secret@h/a.jpg\n", folder, given)
    assert url != source_key("https://u:other@h/a.jpg", folder, given)

    path = folder / "images" / "a.jpg"
    before = source_key("images/a.jpg", folder, given)
    assert before == f"file:images/a.jpg:1:{path.stat().st_mtime_ns}"
    assert before == source_key("./images/../images/a.jpg", folder, given)
    assert before == source_key(str(path), folder, given)
    monkeypatch.chdir(folder.parent)
    assert before == source_key("images/a.jpg", Path("table"), given)
    os.utime(path, ns=(1, 1))
    assert source_key("images/a.jpg", folder, given) == "file:images/a.jpg:1:1"
    path.unlink()
    assert source_key("images/a.jpg", folder, given) == "file:images/a.jpg:absent"
    for odd in ("", "data:x", "a\0b", "\ud800", "http://\ud800", "x" * 5000):
        assert source_key(odd, folder, given)
    rooted = source_key("outside.jpg", folder, settings(root=folder.parent))
    assert rooted.startswith("root-file:outside.jpg:6:")


# Everything together


MIX = {
    "status/404": "http 404",
    "status/403": "http 403",
    "status/500": "http 500",
    "slow-headers": "deadline",
    "slow-body": "deadline",
    "endless": "too large",
    "gzip-bomb": "too large",
    "short": "broken answer",
    "garbage": "broken answer",
    "rst": "connection broken",
    "empty": "empty",
    "nothing": "empty",
    "loop": "redirects",
}


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.faults)])
def test_bad_rows_among_good_ones(count: int, fault_server: FaultServer) -> None:
    kinds = list(MIX)
    want: dict[str, str | None] = {}
    for n in range(count):
        if n % 5 == 0:
            kind = kinds[n // 5 % len(kinds)]
            want[f"{fault_server.url}/{kind}/{n}?mb=30"] = MIX[kind]
        else:
            want[f"{fault_server.url}/ok/{n}.jpg?noise={n % 7}"] = None
    given = settings(workers=16, per_host=16, timeout=2.0, max_bytes="1MB")
    started = time.monotonic()
    done = fetch(list(want), given)
    took = time.monotonic() - started
    for url, wanted in want.items():
        outcome = done[url]
        got = outcome.kind if isinstance(outcome, FetchFailure) else None
        assert got == wanted, (url, outcome)
    assert took < count / 5 * given.timeout / given.workers + 10
    assert fault_server.settled(), "sockets left open"
    assert fault_server.most_open <= 2 * given.workers


MEMORY = """if True:
    import resource, sys
    from pathlib import Path
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    from embclust.config import ImagesSettings
    from embclust.fetch import FetchJob, fetch_all
    given = ImagesSettings(allow_private_hosts=True, retries=0)
    def get(*refs):
        jobs = [FetchJob(0, sys.argv[1] + ref) for ref in refs]
        return [out for _, out in fetch_all(jobs, given, Path(), lambda: False)]
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    get("/ok/a", "/gzip/a")
    before = peak()
    print(*(out.kind for out in get(*sys.argv[2:])), peak() - before, sep="\\n")
"""


def test_gzip_bombs_cost_no_memory(fault_server: FaultServer) -> None:
    bombs = [f"/gzip-bomb/{n}?mb=100" for n in range(4)]
    command = [sys.executable, "-c", MEMORY, fault_server.url, *bombs]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    *kinds, megabytes = done.stdout.splitlines()
    assert kinds == ["too large"] * 4
    assert int(megabytes) < 30
