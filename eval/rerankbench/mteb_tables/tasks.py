"""Which tasks a table is about, what is evaluated of each, and in which order they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rerankbench.config import MtebTable
from rerankbench.errors import ConfigError
from rerankbench.mteb_suite.task_list import noted_tasks
from rerankbench.mteb_tables.places import Places, results_folder
from rerankbench.reference import mteb
from rerankbench.reference.paper import load as load_paper

UNKNOWN = mteb.Task(type="")
"""A task of which nothing is known: its result file must leave no choice."""
PRINTED = ("15", "14", "20")
"""Tables of the paper that print scores of single tasks."""


def tasks_of(asked: MtebTable, places: Places) -> Mapping[str, mteb.Task]:
    """What is evaluated of each task, in the benchmark's order or the configuration's; none where no evaluation has noted them yet.

    The English benchmarks are known as the paper used them. What a task of any other is, the last evaluation has written down.

    Raises:
        ConfigError: there is no such benchmark, and nothing of it is evaluated here.
        StoreError: what the evaluation has written down is damaged.
    """
    known, file = mteb.load(), asked.file
    noted = noted_tasks(results_folder(asked, places.runs), asked)
    whole = known.tasks_of(file.benchmark) if file.benchmark in known.benchmarks and not file.languages else {}
    if file.tasks:
        return _of_types({name: whole.get(name) or (noted or known.tasks).get(name) or _any(name) for name in file.tasks}, file.task_types)
    if whole:
        return _of_types(whole, file.task_types)
    if noted is None and not any(system.system for system in asked.systems):
        try:
            known.tasks_of(file.benchmark)
        except ConfigError as error:
            raise ConfigError(f"{asked.place(('benchmark',))}: {error.message}") from error
    return noted or {}


def in_the_papers_order(tasks: Iterable[str], asked: MtebTable) -> list[str]:
    """As the configuration names them; else those that the paper prints in its order, then the others as they came."""
    names = list(tasks)
    if asked.file.tasks:
        return names
    printed = [column.name for column in load_paper().table(PRINTED[0]).columns]
    return [*(name for name in printed if name in names), *(name for name in names if name not in printed)]


def types_of(tasks: Mapping[str, mteb.Task]) -> dict[str, list[str]]:
    """Task type → its tasks: the types in the paper's order, then others; tasks of which no type is known under an empty one, last."""
    there = dict.fromkeys(task.type for task in tasks.values())
    paper = [type_ for type_ in mteb.load().columns if type_ in there]
    order = sorted((*paper, *(type_ for type_ in there if type_ not in paper)), key=lambda type_: type_ == "")
    return {type_: [name for name, task in tasks.items() if task.type == type_] for type_ in order}


def _any(name: str) -> mteb.Task:
    return mteb.load().tasks.get(name, UNKNOWN)


def _of_types(tasks: Mapping[str, mteb.Task], types: tuple[str, ...]) -> Mapping[str, mteb.Task]:
    return {name: task for name, task in tasks.items() if not types or task.type in types}
