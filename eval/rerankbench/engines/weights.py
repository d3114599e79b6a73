"""Where a model's files are, and what identifies them. Loads nothing, and never waits long for a hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from rerankbench import hub
from rerankbench.errors import EngineError, MissingExtra, MissingWeights

_HUB_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
_MODEL_FILES = frozenset({".json", ".txt", ".model", ".jinja", ".safetensors", ".bin", ".pt", ".py", ".vocab", ".tiktoken", ".spm"})
_TOKENIZER_FILES = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "*.jinja",
    "*.tiktoken",
)
_DOWNLOADED = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors", "*.tiktoken")


def fingerprint(model: str, revision: str) -> dict[str, str]:
    """What identifies a model's files: the commit of a hub model, the hash of a local folder.

    Raises:
        MissingWeights: neither at hand nor to be asked for now.
    """
    if _is_folder(model):
        return {"weights_sha256": directory_fingerprint(Path(model))}
    return {"hub_commit": hub_commit(model, revision)}


def directory_fingerprint(path: Path) -> str:
    """SHA-256, lower-case hexadecimal, over relative names and contents of a model's files.

    Configuration, tokenizer and weights count, sub-folders included; hidden files, read-mes and Python caches do not. Links are
    followed, so a folder of links (the hub's cache) has the fingerprint of its copy.
    """
    return _sha256_of(path, _model_files(path))


def hub_commit(model: str, revision: str, *, needs: str = "config.json") -> str:
    """The commit, 40 hexadecimal digits, that `revision` of a hub model stands for: in the local cache, else on the hub.

    Args:
        needs: A file without which the cache does not count.

    Raises:
        MissingWeights: not in the cache, and the hub cannot be asked, does not answer in time, or does not have it.
    """
    if not _HUB_NAME.fullmatch(model) or ".." in model:
        raise MissingWeights(f"Model {model!r} is neither a folder that exists nor a name on the hub ('owner/name').")
    try:
        return hub.resolve_commit(model, revision, "model", needs=needs)
    except hub.HubUnreachable as error:
        raise _missing(model, revision, error.message) from error


def model_folder(model: str, revision: str) -> Path:
    """The folder with a model's files: the given one, the hub cache's, or a fresh download into that cache.

    Raises:
        MissingWeights: not at hand and not to be had now.
    """
    if _is_folder(model):
        return Path(model)
    commit = hub_commit(model, revision)
    snapshot = hub.snapshot_folder(model, commit, "model")
    return snapshot if _has_weights(snapshot) else _download(model, commit)


def tokenizer_folder(tokenizer: str) -> Path:
    """The folder with a tokenizer's files: the given one, the hub cache's, or a fresh download into that cache.

    Raises:
        MissingWeights: not at hand and not to be had now.
    """
    if _is_folder(tokenizer):
        return Path(tokenizer)
    commit = hub_commit(tokenizer, "main", needs="tokenizer_config.json")
    snapshot = hub.snapshot_folder(tokenizer, commit, "model")
    if (snapshot / "tokenizer_config.json").is_file():
        return snapshot
    return _fetched(tokenizer, commit, _TOKENIZER_FILES)


def tokenizer_fingerprint(tokenizer: str) -> dict[str, str]:
    """What identifies a tokenizer's files: the commit of a hub model, the hash of those in a folder.

    Raises:
        MissingWeights: neither at hand nor to be asked for now.
    """
    if not _is_folder(tokenizer):
        return {"tokenizer_commit": hub_commit(tokenizer, "main", needs="tokenizer_config.json")}
    return {"tokenizer_sha256": _sha256_of(Path(tokenizer), tokenizer_files(Path(tokenizer)))}


def tokenizer_files(folder: Path) -> set[Path]:
    """The files of a folder that are its tokenizer's; a model's weights may lie beside them."""
    return {file for pattern in _TOKENIZER_FILES for file in folder.glob(pattern) if file.is_file()}


def require(engine: str, extra: str, *packages: str) -> None:
    """
    Raises:
        MissingExtra: one of the packages is not installed. None is imported.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtra(f"engine {engine!r}", extra, f"No module named {package!r}")


@contextmanager
def loading(engine: str, extra: str, model: str) -> Iterator[None]:
    """Turn what libraries raise while a model is loaded into errors of ours.

    Raises:
        MissingExtra: a package is not installed.
        EngineError: anything else that the libraries report.
    """
    try:
        with _quiet():
            yield
    except ImportError as error:
        raise MissingExtra(f"engine {engine!r}", extra, str(error)) from error
    except _load_errors() as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise EngineError(f"Engine {engine!r} could not load model {model!r}: {type(error).__name__}: {first}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's bar over the weights, which would tear the display of the run's own progress."""
    if find_spec("transformers") is None:
        yield
        return
    logging: Any = import_module("transformers.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _load_errors() -> tuple[type[Exception], ...]:
    """A damaged weights file raises an error that descends from Exception alone."""
    common = (OSError, ValueError, KeyError, RuntimeError)
    if find_spec("safetensors") is None:
        return common
    from safetensors import SafetensorError

    return (*common, SafetensorError)


def _is_folder(model: str) -> bool:
    return Path(model).is_dir()


def _model_files(path: Path) -> Iterator[Path]:
    for file in path.rglob("*"):
        parts = file.relative_to(path).parts
        if any(p.startswith(".") or p == "__pycache__" for p in parts):
            continue
        if file.suffix in _MODEL_FILES and file.is_file():
            yield file


def _sha256_of(folder: Path, files: Iterable[Path]) -> str:
    total = sha256()
    for file in sorted(files, key=lambda f: f.relative_to(folder).as_posix()):
        stat = file.stat()
        content = _file_sha256(str(file.resolve()), stat.st_size, stat.st_mtime_ns)
        total.update(f"{file.relative_to(folder).as_posix()}\0{content}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


@lru_cache(maxsize=4096)
def _file_sha256(path: str, size: int, mtime_ns: int) -> str:
    """Hash of one file. Size and time of change are in the key: a plan asks for the same gigabytes once a table cell."""
    del size, mtime_ns
    digest = sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def _missing(model: str, revision: str, tried: str) -> MissingWeights:
    return MissingWeights(
        f"The weights of model {model!r}, revision {revision!r}, are not at hand: not in the hub cache {hub.cache_folder()}, and {tried}.",
        hint=f"hf download {model} --revision {revision}\nOr name a local folder with the model's files in place of {model!r}.",
    )


def _has_weights(snapshot: Path) -> bool:
    """Whether a cached snapshot is complete enough to be loaded without the hub: every shard that its index names."""
    if not (snapshot / "config.json").is_file():
        return False
    for index in sorted(snapshot.glob("*.index.json")):
        shards = set(orjson.loads(index.read_bytes())["weight_map"].values())
        return all((snapshot / shard).is_file() for shard in shards)
    return any(next(snapshot.glob(pattern), None) is not None for pattern in ("*.safetensors", "pytorch_model*.bin"))


def _download(model: str, commit: str) -> Path:
    for patterns in (_DOWNLOADED, (*_DOWNLOADED, "pytorch_model*.bin")):  # the old format only where there is no other
        snapshot = _fetched(model, commit, patterns)
        if _has_weights(snapshot):
            return snapshot
    raise _missing(model, commit, "the hub's repository holds no weights that could be loaded (safetensors or PyTorch)")


def _fetched(model: str, commit: str, patterns: tuple[str, ...]) -> Path:
    """
    Raises:
        MissingWeights: the hub may not be asked, or does not answer.
    """
    if hub.is_offline():
        raise _missing(model, commit, "the environment says offline, so nothing was downloaded")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtra(f"downloading model {model!r}", "hub", str(error)) from error
    try:
        return Path(snapshot_download(model, revision=commit, cache_dir=hub.cache_folder(), allow_patterns=list(patterns)))
    except hub.client_errors() as error:
        raise _missing(model, commit, f"the download failed ({type(error).__name__})") from error
