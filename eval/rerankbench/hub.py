"""Files of the Hugging Face hub at a commit that is named. Knows neither benchmarks nor models.

The local hub cache comes first, so that a branch stays what it was when it was first asked for. The hub is asked once a
question and for a few seconds at most: a hub that cannot be reached is an answer, not a hang.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import Literal

from rerankbench.errors import MissingError, MissingExtra

RepoType = Literal["model", "dataset"]
TIMEOUT_S = 5.0
"""How long one question to the hub may take."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubUnreachable(MissingError):
    """The hub gave no answer, or not the one that is needed."""


def resolve_commit(repo: str, revision: str, repo_type: RepoType, *, needs: str = "") -> str:
    """The commit, 40 hexadecimal digits, that a branch, tag or commit stands for: in the local hub cache, else on the hub.

    Args:
        needs: A file that the cached snapshot must hold for the cache to count.

    Raises:
        MissingExtra: the hub's client is not installed.
        HubUnreachable: not in the cache, and the hub cannot be asked, does not answer in time, or does not have it.
    """
    cache = _cache_of(repo, repo_type)
    reference = cache / "refs" / revision
    commit = revision if _COMMIT.fullmatch(revision) else reference.read_text(encoding="utf-8").strip() if reference.is_file() else ""
    if _COMMIT.fullmatch(commit) and (cache / "snapshots" / commit / needs).exists():
        return commit
    return _asked_commit(repo, revision, repo_type)


def snapshot_folder(repo: str, commit: str, repo_type: RepoType) -> Path:
    """Where the hub's client keeps this commit's files, whether they are there or not."""
    return _cache_of(repo, repo_type) / "snapshots" / commit


def fetch_file(repo: str, file: str, commit: str, repo_type: RepoType) -> Path:
    """A file of the hub at a commit: from the local hub cache, else downloaded into it.

    Raises:
        MissingExtra: the hub's client is not installed.
        HubUnreachable: it is not cached and cannot be downloaded, or does not exist at this commit.
    """
    cached = snapshot_folder(repo, commit, repo_type) / file
    if cached.is_file():
        return cached
    _refuse_offline(repo)
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtra(f"downloading from {repo!r}", "hub", str(error)) from error
    try:
        return Path(hf_hub_download(repo, file, revision=commit, repo_type=repo_type, cache_dir=cache_folder(), etag_timeout=TIMEOUT_S))
    except client_errors() as error:
        raise HubUnreachable(f"the hub's {repo} at {commit[:12]} did not give {file} ({_first_line(error)})") from error


def cache_folder() -> Path:
    """The hub's cache, from the environment as it is now (the hub's client reads it once, at import)."""
    home = os.environ.get("HF_HOME") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(os.path.expandvars(os.environ.get("HF_HUB_CACHE") or str(Path(home) / "hub"))).expanduser()


def is_offline() -> bool:
    """Whether the environment forbids asking the hub."""
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def client_errors() -> tuple[type[Exception], ...]:
    """What asking the hub may raise. The transport's errors are those of requests, httpx or httpx2, by the client's version."""
    from huggingface_hub.errors import HfHubHTTPError

    return (*(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)), OSError, ValueError)


def _asked_commit(repo: str, revision: str, repo_type: RepoType) -> str:
    _refuse_offline(repo)
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingExtra(f"asking the hub for {repo!r}", "hub", str(error)) from error
    errors = client_errors()
    answer: list[str] = []
    failure: list[str] = ["no answer"]

    def ask() -> None:
        try:
            answer.append(str(HfApi().repo_info(repo, revision=revision, repo_type=repo_type, timeout=TIMEOUT_S).sha))
        except errors as error:
            failure[0] = _first_line(error)

    # In a thread, because looking up the hub's address can hang for half a minute, and no timeout of the client covers that.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    if not answer:
        raise HubUnreachable(f"the hub was asked for {repo} ({revision}) for at most {TIMEOUT_S:g} s ({failure[0]})")
    return answer[0]


def _refuse_offline(repo: str) -> None:
    if is_offline():
        raise HubUnreachable(f"the environment says offline, so the hub was not asked for {repo}")


def _cache_of(repo: str, repo_type: RepoType) -> Path:
    return cache_folder() / f"{repo_type}s--{repo.replace('/', '--')}"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"
