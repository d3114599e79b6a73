"""The tasks that a configuration asks for, written down beside the results, so that a report knows them without mteb.

``FOLDER/tasks/<id>.json``: the id is of the benchmark and all that narrows it, the content what mteb says of each task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from rerankbench.config import MtebTable, fingerprint, validate
from rerankbench.errors import ConfigError, StoreError
from rerankbench.reference.mteb import Task
from rerankbench.store import write_atomically


def note_tasks(folder: Path, asked: MtebTable, tasks: Sequence[Any]) -> None:
    """Write down the tasks (``mteb.AbsTask``, in their order) of a configuration that nothing has narrowed since it was read."""
    data = {
        "benchmark": asked.file.benchmark,
        "mteb": metadata.version("mteb"),
        "tasks": {task.metadata.name: _described(task).model_dump(exclude_defaults=True) for task in tasks},
    }
    path = task_list_path(folder, asked)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")


def noted_tasks(folder: Path, asked: MtebTable) -> Mapping[str, Task] | None:
    """The tasks that the last evaluation of this configuration found, in mteb's order; None where there was none.

    Raises:
        StoreError: the file is damaged.
    """
    path = task_list_path(folder, asked)
    if not path.is_file():
        return None
    try:
        found = orjson.loads(path.read_bytes())["tasks"]
        return {name: validate(Task, task, lambda key: f"{path}: {'.'.join(map(str, key))}") for name, task in found.items()}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise StoreError(f"{path}: holds no list of tasks: {error}", hint="Delete it: the next evaluation writes it again.") from error


def task_list_path(folder: Path, asked: MtebTable) -> Path:
    file = asked.file
    id_ = fingerprint([file.benchmark, list(file.tasks), list(file.task_types), list(file.languages)])[:12]
    return folder / "tasks" / f"{id_}.json"


def _described(task: Any) -> Task:
    return Task(
        type=task.metadata.type,
        main_score=task.metadata.main_score,
        revision=task.metadata.revision,
        splits=tuple(task.eval_splits),
        subsets=tuple(task.hf_subsets),
        mean_of=tuple(part.metadata.name for part in getattr(task, "tasks", ())),
    )
