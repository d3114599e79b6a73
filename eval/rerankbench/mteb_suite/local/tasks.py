"""The suite as tasks of mteb: classes with metadata whose `load_data` gives what is at hand. Needs the extra mteb."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from rerankbench.errors import MissingExtra, RerankbenchError
from rerankbench.mteb_suite.identity import OWN
from rerankbench.mteb_suite.local.content import DIGITS, Columns, Searched
from rerankbench.mteb_suite.local.entries import Entry, entries

NOT_AT_HAND = "0" * DIGITS
"""The revision of data that could not be read."""

_ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    # By default four in a hundred documents are clustered, which is for corpora of a hundred thousand.
    "Clustering": {"max_fraction_of_documents_to_embed": None, "max_documents_per_cluster": 384},
    "STS": {"min_score": 0, "max_score": 5},
    "Summarization": {"min_score": 1, "max_score": 5},
}


def local_tasks(mirror: Path | None) -> list[Any]:
    """The suite, every task of it whether its texts are at hand or not.

    Args:
        mirror: A local mirror of data, for SciFact.

    Returns:
        Instances of mteb's ``AbsTask``. The revision of each is a hash of its data. A task whose data cannot be read has the revision
        `NOT_AT_HAND`, and its `load_data`, which is what an evaluation begins with, raises the reason: `MissingData` or `DataError`.

    Raises:
        MissingExtra: mteb is not installed.
    """
    return [_task(entry, mirror) for entry in entries()]


def _task(entry: Entry, mirror: Path | None) -> Any:
    content: Columns | Searched | RerankbenchError
    try:
        content = entry.content(mirror)
        revision = content.revision
    except RerankbenchError as error:
        content, revision = error, NOT_AT_HAND
    task = _task_class(entry, revision)()
    task.content = content
    return task


@lru_cache(maxsize=64)
def _task_class(entry: Entry, revision: str) -> Any:
    """One class a task and state of its data, because mteb looks metadata up in classes and keeps every class that was ever made."""
    try:
        from mteb import abstasks
        from mteb.abstasks.text.summarization import AbsTaskSummarization
    except ImportError as error:
        raise MissingExtra("The local suite of MTEB tasks", "mteb", str(error)) from error
    bases = {
        "Reranking": abstasks.AbsTaskRetrieval,  # as mteb has it: retrieval from given lists
        "Summarization": AbsTaskSummarization,
    }
    base = bases.get(entry.type) or getattr(abstasks, f"AbsTask{entry.type}")
    attributes = {"metadata": _metadata(entry, revision), "load_data": _load_data, "__doc__": entry.description}
    return type(entry.name, (base,), {**attributes, **_ATTRIBUTES.get(entry.type, {})})


def _metadata(entry: Entry, revision: str) -> Any:
    from mteb import TaskMetadata

    is_search = entry.type in {"Retrieval", "Reranking"}
    return TaskMetadata(
        name=entry.name,
        description=entry.description,
        type=entry.type,
        category="t2c" if entry.type in {"Classification", "Clustering"} else "t2t",
        main_score=entry.main_score,
        eval_langs=["eng-Latn"],
        prompt={"query": entry.instruction} if is_search else entry.instruction,
        dataset={"path": f"{OWN}/{entry.name}", "revision": revision},
        license=entry.licence,
    )


def _load_data(self: Any, num_proc: int | None = None, **_: object) -> None:  # noqa: ARG001 mteb's interface
    """Raises: MissingData, DataError: the task's data cannot be read."""
    if self.data_loaded:
        return
    if isinstance(self.content, RerankbenchError):
        raise self.content
    # mteb draws its clusters from a stream that starts with the instance: begun anew, an instance that is evaluated twice gives the same.
    self.rng_state = random.Random(self.seed)  # noqa: S311
    self.dataset = _columns(self.content) if isinstance(self.content, Columns) else _searched(self.content)
    self.data_loaded = True


def _columns(content: Columns) -> Any:
    from datasets import Dataset, DatasetDict

    return DatasetDict({split: Dataset.from_dict(dict(columns)) for split, columns in content.splits.items()})


def _searched(content: Searched) -> Any:
    from datasets import Dataset

    documents, queries = content.documents, content.queries
    corpus = {"id": [d.id for d in documents], "title": [d.title for d in documents], "text": [d.text for d in documents]}
    # New mappings: mteb takes queries out of what it is given.
    data = {
        "corpus": Dataset.from_dict(corpus),
        "queries": Dataset.from_dict({"id": [q.id for q in queries], "text": [q.text for q in queries]}),
        "relevant_docs": {query: dict(judged) for query, judged in content.qrels.items()},
        "top_ranked": None if content.lists is None else {query: list(ids) for query, ids in content.lists.items()},
    }
    return {"default": {"test": data}}
