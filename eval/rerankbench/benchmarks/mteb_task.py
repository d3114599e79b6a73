"""A retrieval or reranking task of mteb as a benchmark like any other, over plain files. Knows no mteb: who reads it is handed in.

Its own candidates, where it has some, are the first stage `given`. They have no order of their own (the relevant ones may stand in front in
the data), and meet rankers in one that tells nothing. A retrieval task has none: first stages are built over its documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from rerankbench.benchmarks.exclusions import Exclusions, read_exclusions
from rerankbench.benchmarks.own import MtebTask, OwnBenchmark, OwnCollection
from rerankbench.benchmarks.sources import DataFile
from rerankbench.benchmarks.task_folder import EXCLUDED, LISTS, TaskFacts, qrels_name, read_facts
from rerankbench.errors import ConfigError, DataMismatch, MissingData, RerankbenchError

GIVEN = "given"
"""The first stage of a task's own candidates."""

TaskReader = Callable[[MtebTask], Path]
"""Gives the folder that `task_folder.write_task` made of a task, which is written now if it was not."""


class MtebCollection(OwnCollection):
    """A task of mteb, read when something of it is asked for.

    Args:
        read: Asked once; what it raises is raised again.
    """

    lists_are_whole = True

    def __init__(self, name: str, options: OwnBenchmark, asked: MtebTask, read: TaskReader) -> None:
        super().__init__(name, options, Path())
        self._asked = asked
        self._read = read
        self._problem: RerankbenchError | None = None

    @property
    def licence(self) -> str:
        return self._facts.licence or "not said"

    @property
    def has_exclusions(self) -> bool:
        """Whether a document that has the id of a query is in the corpus, in a task where such a document does not count."""
        return EXCLUDED in self._facts.files

    def excluded(self, *, fetch: bool = True) -> Exclusions | None:  # noqa: ARG002 the interface of collections
        """Each query's own document, where the task says so (mteb's ``ignore_identical_ids``)."""
        return self._exclusions if self.has_exclusions else None

    def exclusions_file(self) -> DataFile | None:
        return self._file(self._folder / EXCLUDED) if self.has_exclusions else None

    @cached_property
    def _exclusions(self) -> Exclusions:
        return read_exclusions(self._folder / EXCLUDED)

    @property
    def _source(self) -> str:
        return self._facts.source

    @property
    def _folder(self) -> Path:
        return self._written[0]

    @property
    def _facts(self) -> TaskFacts:
        return self._written[1]

    @cached_property
    def _written(self) -> tuple[Path, TaskFacts]:
        """The folder, and what it says of itself.

        Raises:
            MissingData, MissingExtra: the task's data, or mteb, is not at hand.
            ConfigError: there is no such task, it is of another type, or its split or subset has to be said.
            DataError: the data is damaged.
        """
        if self._problem is not None:  # a hub that did not answer is asked once
            raise self._problem
        try:
            folder = self._read(self._asked)
            return folder, read_facts(folder)
        except ConfigError as problem:
            self._problem = ConfigError(f"Benchmark {self.name!r}: {problem.message}", hint=problem.hint)
        except RerankbenchError as problem:
            self._problem = problem
        raise self._problem

    @property
    def _list_files(self) -> Mapping[str, Path]:
        return {GIVEN: self._folder / LISTS} if LISTS in self._facts.files else {}

    def _check_named(self, first_stage: str) -> None:
        if first_stage not in self._list_files:
            has = f"first_stages: [{GIVEN}]" if self._list_files else "a first stage of your own under 'candidates', kind lucene or dense"
            what = "brings other candidates along" if self._list_files else "is a search of all its documents and brings no lists along"
            raise MissingData(f"{self.name} has no {first_stage} lists: {self._facts.task} {what}.", hint=f"Take {has}.")

    @property
    def _qrels_path(self) -> Path:
        return self._folder / qrels_name(self._facts)

    def _file(self, path: Path) -> DataFile:
        """Raises: DataMismatch: it was changed since it was written."""
        file = super()._file(path)
        written = self._facts.files.get(path.relative_to(self._folder).as_posix())
        if file.sha256 != written:
            raise DataMismatch(
                f"{path}: SHA-256 {file.sha256}, but task.json beside it says {written}.",
                hint=f"Delete {self._folder}: it is written again.",
            )
        return file
