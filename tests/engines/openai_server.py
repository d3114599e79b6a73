"""A real server on this machine that speaks OpenAI's protocol, well or badly: each test writes down what it answers."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rerankbench.engines.openai_http import OpenAIEngine, OpenAIOptions


@dataclass(frozen=True)
class Asked:
    """A request as it came; `number` counts from 0, in the order of arrival."""

    number: int
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """The raw prompt, or the last message's text."""
        return str(self.body["prompt"] if "prompt" in self.body else self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Says:
    """One answer.

    Attributes:
        body: Sent as it is, or as JSON.
        after_s: How long the client waits for it.
        drip: Whether it comes byte by byte, 20 a second.
        cut: Whether the connection ends after half of the body.
        hang_up: Whether the connection ends before any answer.
    """

    body: bytes | dict[str, Any] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    drip: bool = False
    cut: bool = False
    hang_up: bool = False


class OpenAIServer:
    """
    Attributes:
        url: The base address.
        asked: All requests so far.
        most_at_once: The most requests that were worked on at the same time.
    """

    def __init__(self, url: str, answer: Callable[[Asked], Says]) -> None:
        self.url = url
        self.answer = answer
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self.at_once = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()


@contextmanager
def serving(answer: Callable[[Asked], Says]) -> Iterator[OpenAIServer]:
    class Http(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)  # a client that goes away is part of the test

    http = Http(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server = OpenAIServer(f"http://127.0.0.1:{http.server_port}/v1", answer)
    http.RequestHandlerClass = _handler(server)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        http.shutdown()
        http.server_close()


def _handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are written apart

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                asked = Asked(len(server.asked), self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                server.asked.append(asked)
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                says = server.answer(asked)
                server.closing.wait(says.after_s)
            finally:
                with server.lock:
                    server.at_once -= 1
            self._send(says)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class names it so
            pass

        def _send(self, says: Says) -> None:
            self.close_connection = says.hang_up or says.cut
            if says.hang_up:
                return
            content = says.body if isinstance(says.body, bytes) else json.dumps(says.body).encode()
            try:
                self.send_response_only(says.status)
                for name, value in {"Content-Length": str(len(content)), **says.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                for part in self._parts(content, says):
                    self.wfile.write(part)
                    self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client would not wait

        @staticmethod
        def _parts(content: bytes, says: Says) -> Iterator[bytes]:
            if says.drip:
                for byte in content:
                    yield bytes([byte])
                    server.closing.wait(0.05)
            else:
                yield content[: len(content) // 2] if says.cut else content

    return Handler


def chat(text: str | None, *, finish: str | None = "stop", tokens: tuple[int, int] = (7, 3), **message: Any) -> Says:
    """An answer of ``chat/completions``."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return Says({**_frame(tokens), "choices": [choice]})


def completion(text: str, *, finish: str = "stop", tokens: tuple[int, int] = (7, 3)) -> Says:
    """An answer of ``completions``."""
    return Says({**_frame(tokens), "choices": [{"index": 0, "text": text, "finish_reason": finish}]})


def chat_scores(chosen: tuple[str, float], others: Sequence[tuple[str, float]]) -> Says:
    """An answer of ``chat/completions`` with log-probabilities of its one token."""
    top = [{"token": token, "logprob": value, "bytes": None} for token, value in others]
    first = {"token": chosen[0], "logprob": chosen[1], "bytes": None, "top_logprobs": top}
    choice = {"index": 0, "message": {"content": chosen[0]}, "finish_reason": "length", "logprobs": {"content": [first]}}
    return Says({**_frame((7, 1)), "choices": [choice]})


def embeddings(vectors: Mapping[int, Sequence[float]], tokens: int = 5) -> Says:
    """An answer of ``embeddings``: index → vector, written in this order."""
    data = [{"object": "embedding", "index": index, "embedding": list(vector)} for index, vector in vectors.items()]
    return Says({"object": "list", "data": data, "model": "tiny-0611", "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})


def error(status: int, message: str, code: str | int | None = None, headers: Mapping[str, str] | None = None) -> Says:
    return Says({"error": {"message": message, "type": "some_error", "param": None, "code": code}}, status, headers or {})


def _frame(tokens: tuple[int, int]) -> dict[str, Any]:
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "tiny-0611", "system_fingerprint": "fp_1", "usage": usage}


class Sleeper:
    """Notes how long it was to wait, and waits not at all."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


@contextmanager
def engine(server: OpenAIServer, sleep: Sleeper | None = None, /, **options: Any) -> Iterator[OpenAIEngine]:
    """An engine that asks this server for the model ``tiny``."""
    made = OpenAIEngine(OpenAIOptions(base_url=server.url, model="tiny", **options), sleep=sleep or Sleeper())
    try:
        yield made
    finally:
        made.close()


def in_turn(*answers: Says) -> Callable[[Asked], Says]:
    """The answers in the order of the asking; the last one again and again."""
    return lambda asked: answers[min(asked.number, len(answers) - 1)]


def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment as tests need it: no key, and no proxy between them and their server."""
    pytest.importorskip("httpx2")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
