"""Which tasks of mteb a configuration asks for. Loads no data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rerankbench.config import MtebTable
from rerankbench.errors import ConfigError, nearest
from rerankbench.mteb_suite.local import LOCAL, local_tasks

RETRIEVAL, RERANKING = ("Retrieval", "InstructionRetrieval"), ("Reranking", "InstructionReranking")
"""Types of tasks whose documents are ranked: those of a whole corpus, and those of given candidates."""


def select_tasks(asked: MtebTable, mirror: Path | None) -> list[Any]:
    """The tasks (``mteb.AbsTask``), in the benchmark's order, then tasks of no benchmark in the configuration's.

    Raises:
        ConfigError: mteb has no such benchmark or task, or none is left.
    """
    file = asked.file
    every = local_tasks(mirror) if file.benchmark == LOCAL else _benchmark(asked)
    named = _named(asked, every) if file.tasks else every
    left = [task for task in named if not file.task_types or task.metadata.type in file.task_types]
    left = _in_languages(left, file.languages) if file.languages else left
    if not left:
        kinds = sorted({task.metadata.type for task in named})
        raise ConfigError(
            f"{asked.place(('benchmark',))}: no task of {file.benchmark} is left. Its types are {', '.join(kinds)};"
            " languages are codes of three letters, e.g. eng"
        )
    return left


def _benchmark(asked: MtebTable) -> list[Any]:
    import mteb

    known = [*(benchmark.name for benchmark in mteb.get_benchmarks()), LOCAL]
    if asked.file.benchmark not in known:
        place = asked.place(("benchmark",))
        raise ConfigError(f"{place}: mteb has no benchmark {asked.file.benchmark!r}. {nearest(asked.file.benchmark, known)}")
    return list(mteb.get_benchmark(asked.file.benchmark).tasks)


def _named(asked: MtebTable, every: Sequence[Any]) -> list[Any]:
    of_benchmark = {task.metadata.name: task for task in every}
    named = set(asked.file.tasks)
    return [task for name, task in of_benchmark.items() if name in named] + [
        _task(asked, name) for name in asked.file.tasks if name not in of_benchmark
    ]


def _task(asked: MtebTable, name: str) -> Any:
    """A task by name, in English where it has it: the paper's benchmarks are."""
    import mteb
    from mteb.get_tasks import _TASKS_REGISTRY

    if name not in _TASKS_REGISTRY:
        raise ConfigError(f"{asked.place(('tasks',))}: mteb has no task {name!r}. {nearest(name, _TASKS_REGISTRY)}")
    return mteb.get_task(name, languages=list(asked.file.languages) or None)


def _in_languages(tasks: Sequence[Any], languages: Sequence[str]) -> list[Any]:
    import mteb

    left = mteb.filter_tasks(list(tasks), languages=list(languages))
    return [task.filter_languages(languages=list(languages)) for task in left]
