"""Files of the Hugging Face hub at a commit that is named. Knows neither benchmarks nor models.

Whatever is asked of the network is asked once and with a short time limit: a hub that cannot be reached is an answer
within seconds, not a hang.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, Literal

from rerankbench.errors import MissingError, MissingExtra

RepoType = Literal["model", "dataset"]
TIMEOUT_S = 5.0
"""How long one question to the hub may take."""


class HubUnreachable(MissingError):
    """The hub gave no answer, or not the one that is needed."""


def resolve_commit(repo: str, revision: str, repo_type: RepoType) -> str:
    """The commit that a revision names now: from the hub, else from the local hub cache.

    Args:
        revision: A branch, a tag, or a full commit, which is returned as it is.

    Raises:
        MissingExtra: the hub's client is not installed.
        HubUnreachable: the hub cannot be asked and the cache does not know the revision, or there is no such revision.
    """
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    hub = _client(f"{repo_type} {repo!r}")
    try:
        info = hub.HfApi().repo_info(repo, revision=revision, repo_type=repo_type, timeout=TIMEOUT_S)
    except _network_errors() as error:
        cached = _cached_commit(repo, revision, repo_type)
        if cached:
            return cached
        raise _unreachable(repo, revision, repo_type, error) from error
    return str(info.sha)


def fetch_file(repo: str, file: str, commit: str, repo_type: RepoType) -> Path:
    """A file of the hub at a commit: from the local hub cache, else downloaded into it.

    Raises:
        MissingExtra: the hub's client is not installed.
        HubUnreachable: it is not cached and cannot be downloaded, or does not exist at this commit.
    """
    hub = _client(f"{repo_type} {repo!r}")
    cached = hub.try_to_load_from_cache(repo, file, revision=commit, repo_type=repo_type)
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(hub.hf_hub_download(repo, file, revision=commit, repo_type=repo_type, etag_timeout=TIMEOUT_S))
    except _network_errors() as error:
        raise _unreachable(repo, f"{commit[:12]}, file {file}", repo_type, error) from error


def _cached_commit(repo: str, revision: str, repo_type: RepoType) -> str:
    """What the local hub cache last knew a branch or tag to be; empty when it never did."""
    from huggingface_hub.constants import HF_HUB_CACHE

    ref = Path(HF_HUB_CACHE) / f"{repo_type}s--{repo.replace('/', '--')}" / "refs" / revision
    return ref.read_text(encoding="utf-8").strip() if ref.is_file() else ""


def _client(what: str) -> Any:  # the client's module: optional, and typed too loosely to lean on
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtra(what, "hub", str(error)) from error
    return huggingface_hub


def _network_errors() -> tuple[type[Exception], ...]:
    """What the client lets through when there is no network: its transport's own errors are among them."""
    from huggingface_hub.errors import HfHubHTTPError

    # The client has changed its HTTP library twice; whichever it uses is loaded by now, and its errors share one base.
    transports = [getattr(sys.modules[m], "HTTPError", None) for m in ("httpx2", "httpx", "requests") if m in sys.modules]
    return (OSError, HfHubHTTPError, *(t for t in transports if isinstance(t, type)))


def _unreachable(repo: str, what: str, repo_type: RepoType, error: Exception) -> HubUnreachable:
    first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return HubUnreachable(
        f"{repo_type} {repo!r} ({what}) could not be had from the hub: {first_line}",
        hint=f"on a machine with network: hf download {repo} --repo-type {repo_type}",
    )
