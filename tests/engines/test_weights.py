from __future__ import annotations

import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rerankbench import hub as rerankbench_hub
from rerankbench.engines import weights
from rerankbench.errors import EngineError, MissingExtra, MissingWeights

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached_model(cache: Path, *files: str) -> Path:
    """A model in the hub's own cache format: refs/<revision> holds a commit, snapshots/<commit> its files."""
    model = cache / "models--owner--name"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    snapshot = model / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for file in ("config.json", *files):
        (snapshot / file).write_text("{}")
    return snapshot


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def _offline(monkeypatch: pytest.MonkeyPatch, value: str) -> Any:
    """The hub's client, with HF_HUB_OFFLINE as it would see it: it reads the variable once, when it is first imported."""
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", value == "1")
    return hub


def test_a_branch_is_resolved_from_the_local_cache(hub_cache: Path) -> None:
    cached_model(hub_cache)
    assert weights.hub_commit("owner/name", "main") == COMMIT
    assert weights.hub_commit("owner/name", COMMIT) == COMMIT


def test_the_cache_is_found_as_the_hubs_client_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    cached_model(tmp_path / "hub")
    assert weights.hub_commit("owner/name", "main") == COMMIT


@pytest.mark.parametrize("offline", ["1", ""])
def test_a_model_that_is_nowhere_fails_within_seconds_and_names_the_download(
    hub_cache: Path, monkeypatch: pytest.MonkeyPatch, offline: str
) -> None:
    _offline(monkeypatch, offline)
    # Nothing listens on port 9 of this machine: the hub cannot be reached, whatever the network.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(MissingWeights) as caught:
        weights.hub_commit("owner/absent", "v1")
    assert time.monotonic() - start < 2 * rerankbench_hub.TIMEOUT_S
    assert "'owner/absent', revision 'v1'" in caught.value.message
    assert str(hub_cache) in caught.value.message
    assert ("offline" in caught.value.message) == (offline == "1")
    assert caught.value.hint.startswith("hf download owner/absent --revision v1\n")


def test_a_hub_that_does_not_answer_is_given_up(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = _offline(monkeypatch, "")
    monkeypatch.setattr(rerankbench_hub, "TIMEOUT_S", 0.05)
    released = threading.Event()

    def hang(*_: object, **__: object) -> None:
        released.wait()
        raise OSError("too late")

    monkeypatch.setattr(hub.HfApi, "model_info", hang)
    with pytest.raises(MissingWeights, match="no answer"):
        weights.hub_commit("owner/absent", "main")
    released.set()


def test_the_hub_is_asked_for_what_the_cache_lacks(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = _offline(monkeypatch, "")

    class Info:
        sha = COMMIT

    monkeypatch.setattr(hub.HfApi, "model_info", lambda *_, **__: Info())
    assert weights.hub_commit("owner/name", "main") == COMMIT


@pytest.mark.parametrize("model", ["./no/such/folder", "/no/such/folder", "a/b/c", "../up"])
def test_what_is_neither_a_folder_nor_a_hub_name_says_so(model: str) -> None:
    with pytest.raises(MissingWeights, match="neither a folder that exists nor a name on the hub"):
        weights.hub_commit(model, "main")


def test_a_cached_model_is_loaded_from_its_snapshot(hub_cache: Path) -> None:
    snapshot = cached_model(hub_cache, "model.safetensors")
    assert weights.model_folder("owner/name", "main") == snapshot


def test_a_cached_model_that_lacks_a_shard_is_not_at_hand(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    snapshot = cached_model(hub_cache, "model-1.safetensors")
    (snapshot / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}')
    with pytest.raises(MissingWeights, match="nothing was downloaded"):
        weights.model_folder("owner/name", "main")
    (snapshot / "model-2.safetensors").write_text("")
    assert weights.model_folder("owner/name", "main") == snapshot


def test_a_tokenizer_alone_is_had_without_weights(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    snapshot = cached_model(hub_cache, "tokenizer_config.json")
    assert weights.tokenizer_folder("owner/name") == snapshot
    assert weights.tokenizer_fingerprint("owner/name") == {"tokenizer_commit": COMMIT}
    (snapshot / "tokenizer_config.json").unlink()
    with pytest.raises(MissingWeights, match="'owner/name'"):
        weights.tokenizer_folder("owner/name")


def test_a_tokenizer_in_a_folder_is_identified_by_its_own_files_alone(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    before = weights.tokenizer_fingerprint(str(tmp_path))
    # Name, NUL, SHA-256 of the content, newline: `printf '{}' | sha256sum`.
    empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert before == {"tokenizer_sha256": sha256(f"tokenizer.json\0{empty}\n".encode()).hexdigest()}
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}")
    assert weights.tokenizer_fingerprint(str(tmp_path)) == before
    (tmp_path / "special_tokens_map.json").write_text("{}")
    assert weights.tokenizer_fingerprint(str(tmp_path)) != before


def test_a_local_folder_is_identified_by_its_content_and_a_hub_model_by_its_commit(hub_cache: Path, tmp_path: Path) -> None:
    snapshot = cached_model(hub_cache)
    assert weights.fingerprint("owner/name", "main") == {"hub_commit": COMMIT}
    assert weights.fingerprint(str(snapshot), "main") == {"weights_sha256": weights.directory_fingerprint(snapshot)}


def test_a_fingerprint_depends_on_names_and_contents_of_the_models_files_alone(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "1_Pooling" / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    before = weights.directory_fingerprint(folder)
    # Sorted relative names, NUL, SHA-256 of the content, newline: `printf '{}' | sha256sum` and `printf weights | sha256sum`.
    empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    content = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    listing = f"1_Pooling/config.json\0{empty}\nconfig.json\0{empty}\nmodel.safetensors\0{content}\n"
    assert before == sha256(listing.encode()).hexdigest()

    (folder / "README.md").write_text("changed")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "config.json").write_text("{}")
    assert weights.directory_fingerprint(folder) == before
    (folder / "model.safetensors").write_bytes(b"weightz")
    changed = weights.directory_fingerprint(folder)
    assert changed != before
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    assert weights.directory_fingerprint(folder) not in {before, changed}


def test_a_folder_of_links_has_the_fingerprint_of_its_copy(tmp_path: Path) -> None:
    for folder in ("blobs", "links", "copy"):
        (tmp_path / folder).mkdir()
    (tmp_path / "blobs" / "abc").write_text("{}")
    (tmp_path / "links" / "config.json").symlink_to(tmp_path / "blobs" / "abc")
    (tmp_path / "copy" / "config.json").write_text("{}")
    assert weights.directory_fingerprint(tmp_path / "links") == weights.directory_fingerprint(tmp_path / "copy")


def test_a_package_that_is_not_installed_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(MissingExtra, match="no_such_package") as caught:
        weights.require("transformers", "transformers", "no_such_package")
    assert caught.value.hint == "pip install 'rerankbench[transformers]'"


def test_what_libraries_raise_while_loading_becomes_an_error_of_ours() -> None:
    with (
        pytest.raises(EngineError, match=r"'transformers' could not load model 'm': OSError: no file"),
        weights.loading("transformers", "x", "m"),
    ):
        raise OSError("no file\nand much more")
    with pytest.raises(MissingExtra, match="No module named 'y'"), weights.loading("transformers", "x", "m"):
        raise ModuleNotFoundError("No module named 'y'")
