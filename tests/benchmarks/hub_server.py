"""A stand-in for the hub on this machine: as much of its protocol as the real client asks for, and the ways in which it fails."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the server answers.

    Attributes:
        files: Repository → path → content, at every commit.
        revisions: Branch or commit → commit, of every repository.
        gated: Repositories that answer 403, as where terms were not accepted.
        private: Repositories that answer 401, as where nobody is logged in.
        cut: Paths whose download ends after half of the content.
        asked: The requests, as ``"METHOD path"``.
    """

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=lambda: {"main": COMMIT, COMMIT: COMMIT})
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve on this machine, with the client's cache in `cache` and the environment pointing here; yields the address."""
    constants = pytest.importorskip("huggingface_hub.constants")
    from huggingface_hub import close_session

    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", address)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # The client reads this once, at its import, which another test may have caused.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    close_session()
    try:
        yield address
    finally:
        close_session()
        server.shutdown()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class names it so
            pass

        def _answer(self, *, body: bool) -> None:
            path = unquote(self.path.partition("?")[0])
            hub.asked.append(f"{self.command} {path}")
            parts = path.strip("/").split("/")
            if parts[:2] == ["api", "datasets"] and len(parts) == 6 and parts[4] == "revision":
                self._info("/".join(parts[2:4]), parts[5])
            elif parts[0] == "datasets" and parts[3] == "resolve":
                self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]), body=body)
            else:
                self._refuse(404, "RepoNotFound")

        def _refused(self, repo: str, revision: str) -> bool:
            if repo in hub.gated:
                self._refuse(403, "GatedRepo")
            elif repo in hub.private or repo not in hub.files:
                self._refuse(401, "RepoNotFound")
            elif revision not in hub.revisions:
                self._refuse(404, "RevisionNotFound")
            else:
                return False
            return True

        def _info(self, repo: str, revision: str) -> None:
            if not self._refused(repo, revision):
                siblings = [{"rfilename": name} for name in hub.files[repo]]
                content = json.dumps(
                    {"_id": "0", "id": repo, "sha": hub.revisions[revision], "siblings": siblings, "tags": [], "downloads": 0}
                ).encode()
                self._send(200, content, {"Content-Type": "application/json"})

        def _file(self, repo: str, revision: str, name: str, *, body: bool) -> None:
            if self._refused(repo, revision):
                return
            if name not in hub.files[repo]:
                self._refuse(404, "EntryNotFound")
                return
            content = hub.files[repo][name]
            headers = {
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Repo-Commit": hub.revisions[revision],
                "Accept-Ranges": "none",
            }
            self._send(200, content, headers, body=body, cut=name in hub.cut)

        def _refuse(self, status: int, code: str) -> None:
            self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

        def _send(self, status: int, content: bytes, headers: Mapping[str, str], *, body: bool = True, cut: bool = False) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            if body and self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = True

    return Handler
