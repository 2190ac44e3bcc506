"""A chat server on loopback that misbehaves in every way that real ones were seen to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["BAD_REPLIES", "Answer", "Stub", "chat", "running"]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; `wait`: seconds before anything is sent."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0


def chat(content: object, finish: object = "stop", **message: object) -> Answer:
    """A well-formed completion with this content."""
    inner = {"role": "assistant", "content": content, **message}
    return completion([{"index": 0, "message": inner, "finish_reason": finish}])


def completion(choices: object) -> Answer:
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "stub"}
    return Answer(json.dumps({**body, "choices": choices}).encode())


def error(status: int, message: str, code: str | None = None, **headers: str) -> Answer:
    body = {"error": {"message": message, "type": "stub", "code": code}}
    return Answer(json.dumps(body).encode(), status, headers=headers)


HTML = Answer(b"<html><body>It works!</body></html>", kind="text/html")

BAD_REPLIES: dict[str, Answer] = {
    "html": HTML,
    "no choices": completion([]),
    "null choices": completion(None),
    "choices of nulls": completion([None]),
    "not json": Answer(b"{'choices': ["),
    "null": Answer(b"null"),
    "list": Answer(b"[1, 2]"),
    "refusal": chat(None, refusal="I cannot help with that."),
    "content filter": chat("", "content_filter"),
    "null content": chat(None),
    "empty name": chat('{"name": ""}'),
    "cut json": chat('{"name": "Wrist wat', "length"),
    "only thoughts": chat("<think>Let me think about what these", "length"),
    "essay": chat(" ".join(["These items are many things"] * 40)),
    "500 characters": chat(json.dumps({"name": "Watch " * 84})),
    "wrong keys": chat('{"result": {"a": 1}, "ok": true}'),
    "says nothing": chat('{"name": "Cluster 3"}'),
    "429": error(429, "Slow down", **{"Retry-After": "0"}),
    "429 for good": error(429, "You exceeded your quota", "insufficient_quota"),
    "500": error(500, "Internal error"),
    "503 html": Answer(b"<html>busy</html>", 503, "text/html"),
    "401": error(401, "Incorrect API key provided: sk-canary-0123456789", "invalid_api_key"),
    "404": error(404, "The model `stub` does not exist", "model_not_found"),
    "400 always": error(400, "Content management policy", "content_filter"),
    "hang": Answer(b"", wait=30.0),
}


class Stub:
    """What the server answers, and what it was asked. `answers`: request body -> answer."""

    def __init__(self, answers: Callable[[dict[str, Any]], Answer]) -> None:
        self.answers = answers
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()
        self.closing = threading.Event()

    def take(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            answer = self.answers(body)
            self.closing.wait(answer.wait)
            return answer
        finally:
            with self._lock:
                self._busy -= 1


@contextmanager
def running(answers: Callable[[dict[str, Any]], Answer]) -> Iterator[Stub]:
    """Serve the answers at `stub.url` while the block runs."""
    stub = Stub(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = stub.take(json.loads(body), headers)
            try:
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.kind)
                self.send_header("Content-Length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)
            except OSError:
                self.close_connection = True  # the client has given up

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
            """Stay quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hung up is what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield stub
    finally:
        stub.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
