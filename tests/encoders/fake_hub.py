"""A model hub on loopback: serves folders the way huggingface_hub asks for them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """`repos`: 'owner/name' -> folder. `log`: every request, as 'METHOD path'."""

    daemon_threads = True

    def __init__(self, repos: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos = repos
        self.log: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        self.server.log.append(f"{self.command} {self.path}")

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            folder = self.server.repos.get("/".join(parts[2:4]))
            if folder is None:
                self._refuse("RepoNotFound", with_body)
            elif "tree" in parts:
                tree = [
                    {
                        "type": "file",
                        "path": name,
                        "size": (folder / name).stat().st_size,
                        "oid": hashlib.sha1((folder / name).read_bytes()).hexdigest(),
                    }
                    for name in _names(folder)
                ]
                self._send(json.dumps(tree).encode(), with_body)
            else:
                siblings = [{"rfilename": name} for name in _names(folder)]
                info = {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": siblings}
                self._send(json.dumps(info).encode(), with_body)
            return
        folder = self.server.repos.get("/".join(parts[:2]))
        if folder is None:
            self._refuse("RepoNotFound", with_body)
        elif not (folder / "/".join(parts[4:])).is_file():
            self._refuse("EntryNotFound", with_body)
        else:
            self._send((folder / "/".join(parts[4:])).read_bytes(), with_body)

    def _refuse(self, code: str, with_body: bool) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "2")
        self.end_headers()
        if with_body:
            self.wfile.write(b"{}")

    def _send(self, body: bytes, with_body: bool) -> None:
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@contextmanager
def serve(repos: dict[str, Path]) -> Iterator[Hub]:
    with Hub(repos) as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
