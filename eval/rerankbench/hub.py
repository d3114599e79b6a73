"""Files of the Hugging Face hub at a commit that is named. Knows neither benchmarks nor models.

The local hub cache comes first, so that a branch stays what it was when it was first asked for. The hub is asked once a
question and for a few seconds at most: a hub that cannot be reached is an answer, not a hang.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import threading
import time
from pathlib import Path
from typing import Any, Literal

from rerankbench.errors import DataMismatch, MissingError, MissingExtra

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
        DataMismatch: the cached file is not the one that the hub gave.
    """
    cached = snapshot_folder(repo, commit, repo_type) / file
    if not cached.is_file():
        cached = _downloaded(repo, file, commit, repo_type)
    _check_blob(cached)
    return cached


def list_files(repo: str, commit: str, repo_type: RepoType) -> list[str]:
    """The files of a repository at a commit, sorted: as the hub says, else those that the local cache has.

    What the cache has may be a part: whoever asks must see from the names whether it is all.

    Raises:
        MissingExtra: the hub's client is not installed.
        HubUnreachable: nothing is cached, and the hub cannot be asked, does not answer in time, or does not have the commit.
    """
    snapshot = snapshot_folder(repo, commit, repo_type)
    try:
        return sorted(sibling.rfilename for sibling in _asked_info(repo, commit, repo_type).siblings or ())
    except MissingError:
        cached = sorted(path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file())
        if not cached:
            raise
        return cached


def _downloaded(repo: str, file: str, commit: str, repo_type: RepoType) -> Path:
    _refuse_offline(repo)
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtra(f"downloading from {repo!r}", "hub", str(error)) from error
    try:
        path = hf_hub_download(
            repo, file, revision=commit, repo_type=repo_type, cache_dir=cache_folder(), etag_timeout=TIMEOUT_S, endpoint=_endpoint()
        )
    except client_errors() as error:
        raise HubUnreachable(
            f"the hub's {repo} at {commit[:12]} did not give {file} ({_reason(error)})", hint=_remedy(error, repo, repo_type)
        ) from error
    return Path(path)


def _check_blob(path: Path) -> None:
    """Compare a cached file with its name in the client's cache, which is the hash that the hub gave with it.

    The client itself checks a download's length alone, and a file that is in its cache not at all. Where the cache holds
    plain copies (on file systems without links) there is no such name, and nothing to compare.

    Raises:
        DataMismatch: they differ.
    """
    blob = path.resolve()
    if blob.parent.name != "blobs":
        return
    if len(blob.name) == 64:  # Git LFS: SHA-256 of the content
        digest = hashlib.sha256()
    elif len(blob.name) == 40:  # Git: SHA-1 of a header and the content
        digest = hashlib.sha1(f"blob {blob.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        return
    with blob.open("rb") as file:
        found = hashlib.file_digest(file, lambda: digest).hexdigest()
    if found != blob.name:
        raise DataMismatch(
            f"{path.name} in the hub's cache is not what the hub gave: its {digest.name} is {found[:12]}…, expected {blob.name[:12]}….",
            hint=f"Delete {blob} and run again.",
        )


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
    return str(_asked_info(repo, revision, repo_type).sha)


def _asked_info(repo: str, revision: str, repo_type: RepoType) -> Any:
    """What the hub says of a repository (a `ModelInfo` or `DatasetInfo`).

    Raises:
        MissingExtra: the hub's client is not installed.
        HubUnreachable: the hub cannot be asked, does not answer in time, or does not have it.
    """
    _refuse_offline(repo)
    if _silence.reason(_endpoint()):
        raise HubUnreachable(f"the hub could not be reached a moment ago, so it was not asked for {repo} ({_silence.reason(_endpoint())})")
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingExtra(f"asking the hub for {repo!r}", "hub", str(error)) from error
    errors = client_errors()
    answer: list[Any] = []
    failure: list[tuple[str, str]] = [("no answer", "")]
    unanswered = [True]

    def ask() -> None:
        try:
            answer.append(HfApi(endpoint=_endpoint()).repo_info(repo, revision=revision, repo_type=repo_type, timeout=TIMEOUT_S))
        except errors as error:
            unanswered[0] = not _is_answer(error)
            failure[0] = (_reason(error), _remedy(error, repo, repo_type))

    # In a thread, because looking up the hub's address can hang for half a minute, and no timeout of the client covers that.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    if not answer:
        reason, hint = failure[0]
        if unanswered[0]:
            _silence.begin(_endpoint(), reason)
        raise HubUnreachable(f"the hub was asked for {repo} ({revision}) for at most {TIMEOUT_S:g} s ({reason})", hint=hint)
    return answer[0]


class _Silence:
    """Remembers for a while that a hub could not be reached: the next forty models would each wait for the same nothing.

    The one thing that outlives a call here. It holds no answer, only that there was none, by the hub's address.
    """

    LASTS_S = 60.0

    def __init__(self) -> None:
        self._began: dict[str | None, tuple[float, str]] = {}

    def begin(self, endpoint: str | None, reason: str) -> None:
        self._began[endpoint] = (time.monotonic(), reason)

    def reason(self, endpoint: str | None) -> str:
        """Why there was no answer; empty where there was one, or the silence is long ago."""
        since, reason = self._began.get(endpoint, (-math.inf, ""))
        return reason if time.monotonic() - since < self.LASTS_S else ""

    def forget(self) -> None:
        self._began.clear()


_silence = _Silence()


def _is_answer(error: Exception) -> bool:
    """Whether the hub itself refused, and not the way to it."""
    from huggingface_hub.errors import HfHubHTTPError

    return isinstance(error, HfHubHTTPError)


def _refuse_offline(repo: str) -> None:
    if is_offline():
        raise HubUnreachable(f"the environment says offline, so the hub was not asked for {repo}")


def _cache_of(repo: str, repo_type: RepoType) -> Path:
    return cache_folder() / f"{repo_type}s--{repo.replace('/', '--')}"


def _endpoint() -> str | None:
    """The hub's address, from the environment as it is now (the client reads it once, at import); None is the client's own."""
    return os.environ.get("HF_ENDPOINT") or None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"


def _remedy(error: Exception, repo: str, repo_type: RepoType) -> str:
    """What the user can do about a refusal; empty where there is nothing but to try again."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        page = f"{'datasets/' if repo_type == 'dataset' else ''}{repo}"
        return f"Accept the terms of {page} on the hub's page, then: hf auth login"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "The hub answers so where a repository does not exist and where it is private: hf auth login"
    if isinstance(error, errors.RevisionNotFoundError):
        return "Name a branch, tag or commit that exists."
    return ""
