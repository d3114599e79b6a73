"""The hub is asked when it must be, never for long, and never when the environment or the cache says otherwise."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rerankbench import hub
from rerankbench.errors import MissingExtra

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the hub's client fails: whoever asks the hub all the same is found out."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)


def _snapshot(cache: Path, branch: str = "main", commit: str = COMMIT) -> Path:
    repo = cache / "models--owner--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / branch).write_text(f"{commit}\n", encoding="utf-8")
    folder = repo / "snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    return folder


def test_a_branch_in_the_cache_stays_what_it_was(cache: Path, no_client: None) -> None:
    _snapshot(cache)
    assert hub.resolve_commit("owner/name", "main", "model", needs="config.json") == COMMIT
    assert hub.resolve_commit("owner/name", COMMIT, "model") == COMMIT


@pytest.mark.parametrize(("revision", "needs"), [("v2", ""), (OTHER, ""), ("main", "model.safetensors")])
def test_what_the_cache_has_not_is_asked_of_the_hub(cache: Path, no_client: None, revision: str, needs: str) -> None:
    _snapshot(cache)
    with pytest.raises(MissingExtra, match="'owner/name'") as caught:
        hub.resolve_commit("owner/name", revision, "model", needs=needs)
    assert caught.value.hint == "pip install 'rerankbench[hub]'"
    assert caught.value.exit_code == 3


def test_a_reference_that_is_no_commit_is_not_taken_for_one(cache: Path, no_client: None) -> None:
    _snapshot(cache, commit="not-a-commit")
    with pytest.raises(MissingExtra):
        hub.resolve_commit("owner/name", "main", "model")


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_means_that_nothing_is_asked(cache: Path, no_client: None, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(hub.HubUnreachable, match="offline"):
        hub.resolve_commit("owner/name", "main", "model")
    with pytest.raises(hub.HubUnreachable, match="offline"):
        hub.fetch_file("owner/name", "config.json", COMMIT, "model")


def test_a_cached_file_needs_no_client(cache: Path, no_client: None) -> None:
    folder = _snapshot(cache)
    assert hub.fetch_file("owner/name", "config.json", COMMIT, "model") == folder / "config.json"
    with pytest.raises(MissingExtra):
        hub.fetch_file("owner/name", "other.json", COMMIT, "model")


def _answering(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[tuple[Any, ...]]:
    """Let the client's question be answered by `answer`; returns what was asked."""
    client = pytest.importorskip("huggingface_hub")
    asked: list[tuple[Any, ...]] = []

    def repo_info(self: object, repo: str, *, revision: str, repo_type: str, timeout: float) -> Any:
        asked.append((repo, revision, repo_type, timeout))
        return answer()

    monkeypatch.setattr(client.HfApi, "repo_info", repo_info)
    return asked


def test_the_hubs_answer_is_a_commit_and_the_question_has_a_time_limit(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _answering(monkeypatch, lambda: SimpleNamespace(sha=OTHER))
    assert hub.resolve_commit("owner/name", "main", "dataset") == OTHER
    assert asked == [("owner/name", "main", "dataset", hub.TIMEOUT_S)]


def test_a_hub_that_never_answers_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    _answering(monkeypatch, lambda: released.wait(30))
    monkeypatch.setattr(hub, "TIMEOUT_S", 0.05)
    with pytest.raises(hub.HubUnreachable, match=r"owner/name \(main\) for at most 0\.05 s \(no answer\)"):
        hub.resolve_commit("owner/name", "main", "model")
    released.set()


def test_what_went_wrong_is_said_in_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError("first line\nsecond line")

    _answering(monkeypatch, refuse)
    with pytest.raises(hub.HubUnreachable, match=r"\(OSError: first line\)$") as caught:
        hub.resolve_commit("owner/name", "main", "model")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({}, str(Path.home() / ".cache" / "huggingface" / "hub")),
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/a"),
    ],
)
def test_the_cache_lies_where_the_client_has_it(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(hub.cache_folder()) == expected


def test_a_hub_that_could_not_be_reached_is_not_asked_again_at_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Client:
        def __init__(self, endpoint: str | None) -> None: ...

        def repo_info(self, repo: str, **_: Any) -> Any:
            asked.append(repo)
            raise OSError("no route to host")

    huggingface_hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", Client)
    with pytest.raises(hub.HubUnreachable, match=r"asked for owner/one \(main\) for at most 5 s \(OSError: no route to host\)"):
        hub.resolve_commit("owner/one", "main", "model")
    with pytest.raises(hub.HubUnreachable, match=r"could not be reached a moment ago.*owner/two \(OSError: no route to host\)"):
        hub.resolve_commit("owner/two", "main", "model")
    monkeypatch.setattr(hub._Silence, "LASTS_S", 0.0)
    with pytest.raises(hub.HubUnreachable, match="asked for owner/two"):
        hub.resolve_commit("owner/two", "main", "model")
    assert asked == ["owner/one", "owner/two"]


def test_a_hub_that_refuses_one_model_is_asked_for_the_next(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    asked: list[str] = []

    class Refusal(huggingface_hub.errors.HfHubHTTPError):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            Exception.__init__(self, "no such repository")

    class Client:
        def __init__(self, endpoint: str | None) -> None: ...

        def repo_info(self, repo: str, **_: Any) -> Any:
            asked.append(repo)
            raise Refusal

    monkeypatch.setattr(huggingface_hub, "HfApi", Client)
    for repo in ("owner/one", "owner/two"):
        with pytest.raises(hub.HubUnreachable, match=f"asked for {repo}"):
            hub.resolve_commit(repo, "main", "model")
    assert asked == ["owner/one", "owner/two"]
