"""MTEB's English benchmarks (`mteb.yaml`): their tasks, what a task's score is, and what has changed since the paper's version.

Needs no mteb; a test holds the file against the package where that is installed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from rerankbench.config import Options, read_yaml, validate
from rerankbench.errors import ConfigError, DataError, nearest


class Later(Options):
    """What is otherwise about a task in the later version; empty where it is not."""

    main_score: str = ""
    revision: str = ""
    successor: str = ""


class Task(Options):
    """One task of a benchmark, as the paper's version of mteb has it.

    Attributes:
        type: ``Retrieval``, ``Reranking``, ``Clustering``, ``PairClassification``, ``Classification``, ``STS``, ``Summarization``, or
            another of mteb's; empty where nothing is known of the task.
        main_score: The measure that is its score, as result files name it.
        revision: Of its data set on the hub.
        split, subset: What the benchmark evaluates of it.
        splits, subsets: The same where it is several: every subset of every split, and the score is the plain mean, as mteb has it.
        mean_of: The tasks whose mean it is (CQADupstack's forums); empty for others.
        successor: The task that mteb has in its place; empty where it stands by this one.
        is_new: Whether the paper's version lacks it; what is said is then of the later one.
    """

    type: str
    main_score: str = ""
    revision: str = ""
    split: str = ""
    subset: str = "default"
    splits: tuple[str, ...] = ()
    subsets: tuple[str, ...] = ()
    mean_of: tuple[str, ...] = ()
    successor: str = ""
    later: Later = Later()
    is_new: bool = False

    @property
    def places(self) -> list[tuple[str, str]]:
        """Split and subset of all that is evaluated of it."""
        return [(split, subset) for split in self.splits or (self.split,) for subset in self.subsets or (self.subset,)]

    @property
    def main_score_now(self) -> str:
        """In the later version."""
        return self.later.main_score or self.main_score

    @property
    def revision_now(self) -> str:
        return self.later.revision or self.revision

    @property
    def successor_now(self) -> str:
        return self.later.successor or self.successor


class Versions(Options):
    """Of the mteb package: the paper's, and the one that `Task.later` is about."""

    paper: str
    later: str


class Mteb(Options):
    """
    Attributes:
        columns: Task type → the column of the paper's Table 4 that averages it.
        benchmarks: Benchmark → its tasks, in mteb's order.
    """

    versions: Versions
    columns: dict[str, str]
    tasks: dict[str, Task]
    benchmarks: dict[str, tuple[str, ...]]

    def tasks_of(self, benchmark: str) -> Mapping[str, Task]:
        """Name → task, in mteb's order.

        Raises:
            ConfigError: there is no such benchmark here.
        """
        if benchmark not in self.benchmarks:
            raise ConfigError(f"There is no MTEB benchmark {benchmark!r} here. {nearest(benchmark, self.benchmarks)}")
        return {name: self.tasks[name] for name in self.benchmarks[benchmark]}


@functools.cache
def load() -> Mteb:
    """The file that comes with the package; read once a process.

    Raises:
        DataError: it is damaged.
    """
    try:
        file = read_yaml(Path(__file__).with_name("mteb.yaml"))
        found = validate(Mteb, file.data, file.place)
    except ConfigError as error:
        raise DataError(f"The tasks of MTEB cannot be read. {error}") from error
    unknown = {task for tasks in found.benchmarks.values() for task in tasks} - found.tasks.keys()
    untyped = {task.type for task in found.tasks.values()} - found.columns.keys()
    if unknown or untyped:
        raise DataError(f"{file.path}: benchmarks or columns do not fit the tasks: {', '.join(sorted(unknown | untyped))}")
    return found
