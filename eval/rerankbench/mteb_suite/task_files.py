"""Tasks of mteb as plain files for ordinary benchmarks: read through mteb once, found again without it.

``CACHE/mteb-tasks/FORM/TASK/`` holds ``mteb-VERSION.json``, what that version of mteb says of the task, and
``SUBSET/SPLIT/REVISION/``, what `benchmarks.task_folder` writes. Tasks of the local suite need no mteb at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from rerankbench.benchmarks import MtebTask, cache_folder
from rerankbench.benchmarks.task_folder import FACTS, FOLDER, TaskContent, TaskFacts, write_task
from rerankbench.config import Options, validate
from rerankbench.errors import ConfigError, DataError, StoreError, nearest
from rerankbench.mteb_suite import require, rows
from rerankbench.mteb_suite.data import loaded
from rerankbench.mteb_suite.local import NAMES
from rerankbench.mteb_suite.local.content import Searched
from rerankbench.mteb_suite.local.entries import Entry, entries
from rerankbench.mteb_suite.tasks import RERANKING, RETRIEVAL
from rerankbench.records import Document
from rerankbench.store import write_atomically

FORM = 1
"""Of the writing: raised when the same task would be written otherwise."""
_AT_ONCE = 1_000
"""Rows that are in memory at a time."""


class Known(Options):
    """What mteb says of a task without its data."""

    task: str
    type: str
    revision: str
    splits: tuple[str, ...]
    subsets: tuple[str, ...]
    licence: str = ""


class TaskFiles:
    """Gives the folder of a task, written now if it was not. A `benchmarks.mteb_task.TaskReader`.

    Args:
        mirror: A local mirror of data, for the local suite's SciFact.
        cache: Where folders are kept; by default `cache_folder`.
    """

    def __init__(self, mirror: Path | None, cache: Path | None = None) -> None:
        self._mirror = mirror
        self._root = (cache or cache_folder()) / FOLDER / str(FORM)

    def __call__(self, asked: MtebTask) -> Path:
        """
        Raises:
            ConfigError: there is no such task, it is of a type that ranks no documents, or its split or subset has to be said.
            MissingData: its data is not at hand. MissingExtra: mteb is not installed, and the task was not read before.
            DataError: it cannot be written.
        """
        local = {entry.name: entry for entry in entries()}
        return self._local(local[asked.task], asked) if asked.task in local else self._of_mteb(asked)

    def _local(self, entry: Entry, asked: MtebTask) -> Path:
        _check_type(entry.name, entry.type)
        content = entry.content(self._mirror)
        assert isinstance(content, Searched)  # for the type checker: of its type it is
        known = Known(
            task=entry.name, type=entry.type, revision=content.revision, splits=("test",), subsets=("default",), licence=entry.licence
        )
        facts = _facts(known, asked)
        folder = self._folder(facts)
        if not (folder / FACTS).is_file():
            write_task(folder, facts, _local_content(content, entry.name))
        return folder

    def _of_mteb(self, asked: MtebTask) -> Path:
        known = self._known(asked.task) or self._asked_of_mteb(asked.task)
        facts = _facts(known, asked)
        folder = self._folder(facts)
        if not (folder / FACTS).is_file():
            task = _task(asked.task, facts, known)
            loaded(task)
            write_task(folder, facts.model_copy(update={"mteb": metadata.version("mteb")}), _content(task, facts))
            task.unload_data()
        return folder

    def _folder(self, facts: TaskFacts) -> Path:
        return self._root / _name(facts.task) / _name(facts.subset) / _name(facts.split) / _name(facts.revision)

    def _known(self, task: str) -> Known | None:
        """What the installed version of mteb said of a task; where none is installed, the newest that was asked on any machine.

        Raises:
            StoreError: the file is damaged.
        """
        version = _version()
        files = self._root.joinpath(_name(task)).glob(f"mteb-{version or '*'}.json")
        found = max(files, key=_order, default=None)
        if found is None:
            return None
        try:
            return validate(Known, orjson.loads(found.read_bytes()), lambda key: f"{found}: {'.'.join(map(str, key))}")
        except (orjson.JSONDecodeError, ConfigError) as error:
            raise StoreError(f"{found}: does not say what the task is: {error}", hint="Delete it: mteb is asked again.") from error

    def _asked_of_mteb(self, name: str) -> Known:
        task = _task(name)
        _check_type(name, task.metadata.type)
        _check_kind(task)
        known = Known(
            task=name,
            type=task.metadata.type,
            revision=str(task.metadata.revision),
            splits=tuple(task.eval_splits),
            subsets=tuple(task.hf_subsets),
            licence=str(task.metadata.license or ""),
        )
        folder = self._root / _name(name)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"mteb-{_version()}.json", orjson.dumps(known.model_dump(), option=orjson.OPT_INDENT_2) + b"\n")
        return known


def _facts(known: Known, asked: MtebTask) -> TaskFacts:
    """Raises: ConfigError: a split or subset is not among the task's, or has to be said."""
    return TaskFacts(
        task=known.task,
        type=known.type,
        revision=known.revision,
        split=_chosen("split", asked.split, known.splits, "test", known.task),
        subset=_chosen("subset", asked.subset, known.subsets, "default", known.task),
        licence=known.licence,
    )


def _chosen(what: str, said: str, among: tuple[str, ...], default: str, task: str) -> str:
    """The one that is said; where none is, the only one, or else the default where the task has it."""
    if said in among:
        return said
    if said:
        raise ConfigError(f"mteb evaluates {task} on no {what} {said!r}. {nearest(said, among)}")
    if len(among) == 1 or default in among:
        return among[0] if len(among) == 1 else default
    raise ConfigError(f"mteb evaluates {task} on several {what}s: say which, '{what}: …'. It has {', '.join(among)}.")


def _check_type(task: str, type_: str) -> None:
    if type_ not in (*RETRIEVAL, *RERANKING):
        works = ", ".join((*RETRIEVAL, *RERANKING))
        raise ConfigError(
            f"Task {task} of mteb is of type {type_} and ranks no documents. Types that do: {works}.",
            hint="rerankbench mteb run evaluates embedding models on it.",
        )


def _check_kind(task: Any) -> None:
    """Raises: ConfigError: it is the mean of several tasks, is not about texts alone, or counts otherwise than by ranks."""
    name, parts = task.metadata.name, getattr(task.metadata, "tasks", None)
    if parts:
        names = ", ".join(part.metadata.name for part in parts)
        raise ConfigError(f"Task {name} of mteb is the mean of others: name each as a benchmark, and an average over them: {names}.")
    if set(task.metadata.modalities) != {"text"}:
        raise ConfigError(f"Task {name} of mteb is about {', '.join(sorted(task.metadata.modalities))}, and rankers here read text alone.")
    if getattr(task, "skip_first_result", False):
        raise ConfigError(f"Task {name} of mteb leaves the first document of every ranking out, which is not done here.")


def _task(name: str, facts: TaskFacts | None = None, known: Known | None = None) -> Any:
    """A task of mteb, narrowed to one split and subset where `facts` says which.

    Raises:
        MissingExtra: mteb is not installed.
        ConfigError: it has no such task.
    """
    require(f"Reading the task {name} of mteb")
    import mteb

    splits = [facts.split] if facts else None
    subsets = [facts.subset] if facts and known and len(known.subsets) > 1 else None
    try:
        return mteb.get_task(name, eval_splits=splits, hf_subsets=subsets)
    except KeyError as error:
        every = [*(task.metadata.name for task in mteb.get_tasks()), *NAMES]
        raise ConfigError(f"mteb has no task {name!r}. {nearest(name, every)}") from error


def _local_content(content: Searched, name: str) -> TaskContent:
    documents = (rows.document(d.id, d.text, d.title, f"Task {name}") for d in content.documents)
    lists = None if content.lists is None else {query: rows.shuffled(query, ids) for query, ids in content.lists.items()}
    return TaskContent(documents, content.queries, content.qrels, lists)


def _content(task: Any, facts: TaskFacts) -> TaskContent:
    where = f"Task {facts.task}"
    try:
        data = task.dataset[facts.subset][facts.split]
    except KeyError as error:
        raise DataError(f"{where}: mteb's data has no {facts.subset} {facts.split}.") from error
    given = data["top_ranked"]
    return TaskContent(
        documents=_documents(data["corpus"], where),
        queries=rows.queries(data["queries"], where),
        qrels={query: dict(judged) for query, judged in data["relevant_docs"].items()},
        lists=None if given is None else {query: rows.shuffled(query, ids) for query, ids in given.items()},
        without_itself=bool(task.ignore_identical_ids),
    )


def _documents(corpus: Any, where: str) -> Iterator[Document]:
    for some in corpus.iter(batch_size=_AT_ONCE):
        titles = some.get("title") or [None] * len(some["id"])
        for id_, text, title in zip(some["id"], some["text"], titles, strict=True):
            yield rows.document(id_, text, title, where)


def _version() -> str:
    """Of the installed mteb; empty where there is none."""
    try:
        return metadata.version("mteb")
    except metadata.PackageNotFoundError:
        return ""


def _order(file: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", file.stem)]


def _name(text: str) -> str:
    """Fit for a folder."""
    return re.sub(r"[^\w.-]+", "_", text)
