"""Tasks of mteb made for a test: any data, in the form in which mteb holds it after loading."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

WORDS = [f"{first}{second}" for first in ("ba", "ko", "mi", "ru", "te", "vo", "za", "ly") for second in ("ran", "del", "sik", "mo", "pax")]


@dataclass(frozen=True)
class Made:
    """What a task holds.

    Attributes:
        documents: Id, title, text.
        queries: Id, text, instruction; an instruction that is None for all is no column.
    """

    documents: Sequence[tuple[str, str, str]]
    queries: Sequence[tuple[str, Any, str | None]]
    qrels: Mapping[str, Mapping[str, int]]
    lists: Mapping[str, Sequence[str]] | None = None
    ignore_identical_ids: bool = False
    subsets: Sequence[str] = ("default",)
    splits: Sequence[str] = ("test",)
    scores: dict[str, Mapping[str, float]] = field(default_factory=dict)

    def task(self, name: str, type_: str, *, metadata: Mapping[str, Any] | None = None) -> Any:
        """An instance of a new class of mteb; an evaluation puts what trec_eval gave for every query, unrounded, into `scores`."""
        from mteb import TaskMetadata
        from mteb.abstasks import AbsTaskRetrieval

        about = {
            "name": name,
            "description": "made for a test",
            "type": type_,
            "category": "t2t",
            "main_score": "ndcg_at_10",
            "eval_splits": list(self.splits),
            "eval_langs": ["eng-Latn"] if tuple(self.subsets) == ("default",) else {subset: ["eng-Latn"] for subset in self.subsets},
            "dataset": {"path": "made", "revision": "f" * 40},
            "license": "cc0-1.0",
            **(metadata or {}),
        }

        def load_data(task: Any, num_proc: int | None = None, **_: object) -> None:
            if not task.data_loaded:
                task.dataset = {subset: {split: self._data() for split in task.eval_splits} for subset in task.hf_subsets}
                task.data_loaded = True

        def keep(task: Any, scores: Mapping[str, Mapping[str, float]], *_: object, **__: object) -> dict[str, float]:
            self.scores.update(scores)
            return {}

        attributes = {
            "metadata": TaskMetadata(**about),
            "load_data": load_data,
            "task_specific_scores": keep,
            "ignore_identical_ids": self.ignore_identical_ids,
        }
        return type(name, (AbsTaskRetrieval,), attributes)()

    def _data(self) -> dict[str, Any]:
        from datasets import Dataset

        ids, titles, texts = (list(column) for column in zip(*self.documents, strict=True))
        columns: dict[str, Any] = {"id": [q[0] for q in self.queries], "text": [q[1] for q in self.queries]}
        if any(q[2] is not None for q in self.queries):
            columns["instruction"] = [q[2] for q in self.queries]
        return {
            "corpus": Dataset.from_dict({"id": ids, "title": titles, "text": texts}),
            "queries": Dataset.from_dict(columns),
            "relevant_docs": {query: dict(judged) for query, judged in self.qrels.items()},
            "top_ranked": None if self.lists is None else {query: list(ids) for query, ids in self.lists.items()},
        }


def drawn(seed: int = 0, *, reranking: bool = False) -> Made:
    """All that real data has and nobody wants.

    Ids with blanks; white space around texts; documents without title, without text, with neither; grades from -1 to 3; a query without
    a judgement, one with an empty one, one with nothing relevant; a judged query that has no text; a judged document that is not in the
    corpus; lists of different lengths with their relevant documents in front.
    """
    dice = random.Random(seed)

    def words(least: int, most: int) -> str:
        return " ".join(dice.choices(WORDS, k=dice.randint(least, most)))

    documents = [(f"d {n}" if n % 3 else f"d{n}", "" if n % 4 == 0 else words(1, 3), words(8, 30)) for n in range(40)]
    documents[5] = ("d 5", "  A title alone ", "")
    documents[6] = ("d6", "", f"  {words(9, 9)} \n")
    documents[7] = ("d 7", "", "")
    documents[8] = ("d 8", "  ", words(5, 9))
    ids = [document[0] for document in documents]
    queries: list[tuple[str, Any, str | None]] = [(f"q{n}", words(3, 8), None) for n in range(8)]
    qrels: dict[str, dict[str, int]] = {f"q{n}": dict(zip(dice.sample(ids, 12), dice.choices([-1, 0, 1, 2, 3], k=12))) for n in range(8)}  # noqa: B905
    qrels["q1"]["not in the corpus"] = 2
    qrels["q2"] = dict.fromkeys(qrels["q2"], 0)
    qrels["q6"] = {}
    del qrels["q7"]
    qrels["q-without-text"] = {"d0": 1}
    lists = {
        query: sorted(dice.sample(ids, 14 + n), key=lambda id_: -qrels.get(query, {}).get(id_, 0))
        for n, (query, _, _) in enumerate(queries)
    }
    return Made(documents, queries, qrels, lists if reranking else None)


def with_own_documents(made: Made) -> Made:
    """The same, with a document that has the id and the very text of each query."""
    own = [(query, "", text) for query, text, _ in made.queries if query != "q3"]
    return replace(made, documents=[*made.documents, *own], ignore_identical_ids=True, scores={})
