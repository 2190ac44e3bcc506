from __future__ import annotations

import ipaddress
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from embclust.config import ImagesSettings
from embclust.errors import SettingsError
from embclust.fetch import Fetched, FetchFailure, FetchJob, Outcome, fetch_all
from embclust.fetch_guard import is_public, make_client
from tests.fault_server import FaultServer, jpeg

if TYPE_CHECKING:
    from embclust.fetch_guard import Resolver

LOOPBACK_NOTATIONS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "0",
    "0.0.0.0",
    "localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
]

PRIVATE = [
    "127.0.0.1",
    "127.255.255.255",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "2001::1",
    "2001:db8::1",
]


def one(url: str, resolver: Resolver | None = None, **changes: object) -> Outcome:
    quick = {"timeout": 5.0, "retries": 0}
    settings = ImagesSettings.model_validate({**quick, **changes})
    client = make_client(settings, resolver) if resolver else None
    [(_, outcome)] = fetch_all([FetchJob(0, url)], settings, Path(), lambda: False, client)
    return outcome


@pytest.mark.parametrize(
    "address",
    PRIVATE,
)
def test_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "172.32.0.1"]
)
def test_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", LOOPBACK_NOTATIONS)
def test_no_notation_reaches_loopback(host: str, fault_server: FaultServer) -> None:
    outcome = one(f"http://{host}:{fault_server.port}/ok/a", retries=3)
    assert isinstance(outcome, FetchFailure)
    assert outcome.kind == "private address"
    assert outcome.reason.startswith("private address ")
    assert "images.allow_private_hosts" in outcome.reason
    assert (outcome.retryable, outcome.attempts) == (False, 1)
    assert (fault_server.connections, fault_server.bytes_received) == (0, 0)


def test_a_name_that_points_here(fault_server: FaultServer) -> None:
    for answer in (["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"], ["fe80::1%lo"]):
        outcome = one(f"http://shop.example:{fault_server.port}/ok/a", lambda *_, a=answer: a)
        assert isinstance(outcome, FetchFailure)
        assert outcome.kind == "private address", answer
    assert fault_server.connections == 0


def test_dns_rebinding(fault_server: FaultServer) -> None:
    """The check and the connection use one answer: a second, different one is never asked for."""
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["192.0.0.9"] if len(asked) == 1 else ["127.0.0.1"]

    url = f"http://shop.example:{fault_server.port}/ok/a"
    first = one(url, rebinding, timeout=0.4)
    assert isinstance(first, FetchFailure)
    assert first.kind != "private address", "it went to the public address that it had vetted"
    assert asked == ["shop.example"]
    second = one(url, rebinding)
    assert isinstance(second, FetchFailure)
    assert second.kind == "private address"
    assert (fault_server.connections, fault_server.bytes_received) == (0, 0)


def test_an_octal_address_is_refused_too(fault_server: FaultServer) -> None:
    outcome = one(f"http://0177.0.0.1:{fault_server.port}/ok/a")
    assert isinstance(outcome, FetchFailure)
    assert outcome.kind in ("bad url", "private address")
    assert fault_server.connections == 0


class FirstHopIsPublic(httpx.AsyncBaseTransport):
    """Lets `shop.example` through to loopback, everything else through the real guard."""

    def __init__(self) -> None:
        self.open = make_client(ImagesSettings(allow_private_hosts=True), lambda *_: ["127.0.0.1"])
        self.guarded = make_client(ImagesSettings())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        client = self.open if request.url.host == "shop.example" else self.guarded
        return await client._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self.open.aclose()
        await self.guarded.aclose()


@pytest.mark.parametrize("host", LOOPBACK_NOTATIONS)
def test_a_redirect_to_here(host: str, fault_server: FaultServer) -> None:
    with FaultServer() as canary:
        to = f"http://{host}:{canary.port}/ok/a"
        job = FetchJob(0, f"http://shop.example:{fault_server.port}/redirect/a?to={to}")
        client = httpx.AsyncClient(transport=FirstHopIsPublic())
        given = ImagesSettings(retries=0)
        [(_, outcome)] = fetch_all([job], given, Path(), lambda: False, client)
        assert isinstance(outcome, FetchFailure)
        assert outcome.kind == "private address"
        assert (canary.connections, canary.bytes_received) == (0, 0)
        assert fault_server.hits.total() == 1, "the first hop was real"


def test_the_first_address_that_answers(fault_server: FaultServer) -> None:
    url = f"http://shop.example:{fault_server.port}/ok/a"
    outcome = one(url, lambda *_: ["127.0.0.9", "127.0.0.1"], allow_private_hosts=True)
    assert outcome == Fetched(jpeg())
    assert fault_server.requests[0].headers["host"] == f"shop.example:{fault_server.port}"


@pytest.mark.parametrize("code", [socket.EAI_AGAIN, socket.EAI_NONAME])
def test_dns_trouble_is_tried_again_and_named(code: int) -> None:
    asked = []

    def failing(host: str, port: int) -> list[str]:
        asked.append(host)
        raise socket.gaierror(code, "no answer")

    outcome = one("http://shop.example/a", failing, retries=1)
    assert outcome == FetchFailure("DNS: shop.example: no answer", True, 2, "dns")
    assert len(asked) == 2


def test_dns_that_hangs_meets_the_deadline() -> None:
    import threading

    release = threading.Event()

    def hanging(host: str, port: int) -> list[str]:
        release.wait(10)
        return []

    try:
        outcome = one("http://shop.example/a", hanging, timeout=0.3)
    finally:
        release.set()
    assert isinstance(outcome, FetchFailure)
    assert outcome.kind == "deadline"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
def test_the_certificate_is_checked_against_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop.example"
    command += f" -addext subjectAltName=DNS:shop.example -keyout {key} -out {cert}"
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    seen = []
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    with FaultServer(tls=context) as server:

        def get(host: str) -> Outcome:
            url = f"https://{host}:{server.port}/ok/a"
            return one(url, lambda *_: ["127.0.0.1"], allow_private_hosts=True)

        unknown = get("shop.example")
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert get("shop.example") == Fetched(jpeg())
        other = get("other.example")
        assert len(server.requests) == 1
        assert server.settled()
    assert isinstance(unknown, FetchFailure)
    assert unknown.kind == "tls"
    assert "self-signed" in unknown.reason
    assert isinstance(other, FetchFailure)
    assert other.kind == "tls"
    assert "Hostname mismatch" in other.reason
    assert seen == ["shop.example", "shop.example", "other.example"]


def test_a_deadline_in_the_tls_handshake_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://shop.example:{silent.getsockname()[1]}/a"
        outcome = one(url, lambda *_: ["127.0.0.1"], allow_private_hosts=True, timeout=0.3)
        assert isinstance(outcome, FetchFailure)
        assert outcome.kind == "deadline"
        accepted, _ = silent.accept()
        with accepted:
            accepted.settimeout(2)
            while accepted.recv(4096):
                pass  # the greeting, then the end: the client has hung up


def test_proxy(fault_server: FaultServer) -> None:
    proxy = fault_server.url
    outcome = one("http://shop.example/ok/a", proxy=proxy)
    assert outcome == Fetched(jpeg())
    assert fault_server.requests[0].target == "http://shop.example/ok/a"
    for host in ("127.0.0.1", "2130706433", "localhost", "[::1]"):
        refused = one(f"http://{host}/ok/a", proxy=proxy)
        assert isinstance(refused, FetchFailure)
        assert refused.kind == "private address"
    assert len(fault_server.requests) == 1
    with pytest.raises(SettingsError, match=r"images\.proxy"):
        one("http://shop.example/a", proxy="nonsense://u:CANARY@h")


def test_the_environment_names_no_proxy(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert one(f"{fault_server.url}/ok/a", allow_private_hosts=True) == Fetched(jpeg())


def test_local_files_need_no_http_library(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"A")
    code = """if True:
        import sys
        from pathlib import Path
        from embclust.config import ImagesSettings
        from embclust.fetch import FetchJob, fetch_all
        jobs = [FetchJob(0, "a.jpg")]
        [(_, got)] = fetch_all(jobs, ImagesSettings(), Path(sys.argv[1]), lambda: False)
        assert got.body == b"A"
        print(sorted({"httpx", "httpcore", "PIL"} & set(sys.modules)))
    """
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
