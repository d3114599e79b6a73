"""Where results lie: in mteb's own layout, written whole or not at all, with a ledger of ours beside them.

``FOLDER/results/<org>__<model>/<revision>/<Task>.json`` is mteb's, and can be loaded by it and handed in to its repository of results;
``FOLDER/ledgers/<org>__<model>/<revision>.json`` says what decided these scores, and what became of each task.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from rerankbench.errors import StoreError
from rerankbench.mteb_suite.sharing import taken
from rerankbench.store import write_atomically


def ledger_path(folder: Path, model: str, revision: str) -> Path:
    return folder / "ledgers" / model.replace("/", "__").replace(" ", "_") / f"{revision}.json"


def read_ledger(file: Path) -> dict[str, Any] | None:
    """What is known of a system's evaluation; None where there was none.

    Raises:
        StoreError: the file is damaged.
    """
    if not file.is_file():
        return None
    try:
        found = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise StoreError(f"{file}: no JSON: {error}", hint="Delete it: the results stay, and what was said of them is lost.") from error
    if not isinstance(found, dict) or not isinstance(found.get("tasks"), dict):
        raise StoreError(
            f"{file}: holds no ledger of an evaluation.", hint="Delete it: the results stay, and what was said of them is lost."
        )
    return found


class Ledger:
    """What decided a system's scores, and what became of each of its tasks. Several processes may write to one.

    Args:
        folder: Of results.
        facts: Of the system: model, revision, identity, environment.

    Raises:
        StoreError: there is one, and it is damaged; here as below.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self.file = ledger_path(folder, facts["model"], facts["revision"])
        self._folder = folder
        self._facts = facts
        read_ledger(self.file)  # before hours of work that it could not be told of

    @property
    def tasks(self) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = (read_ledger(self.file) or {"tasks": {}})["tasks"]
        return found

    def note(self, task: str, outcome: Mapping[str, Any]) -> None:
        """Write down what became of a task; when this returns it is on the disk."""
        with taken(self._folder, str(self.file.relative_to(self._folder))):
            data = {**self._facts, "tasks": {**self.tasks, task: dict(outcome)}}
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.file, orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")


def result_cache(folder: Path) -> Any:
    """An ``mteb.ResultCache`` whose files come into being whole: a stop leaves a task's file as it was, or as it will be."""
    import mteb

    class WholeFiles(mteb.ResultCache):
        def save_to_cache(
            self, task_result: Any, model_name: Any, model_revision: str | None = None, *, encode_kwargs: Mapping[str, Any] | None = None
        ) -> None:
            place = self.get_task_result_path(task_result.task_name, model_name, model_revision).parent
            place.mkdir(parents=True, exist_ok=True)
            beside_others = taken(folder, str(place.relative_to(folder)))
            with beside_others, tempfile.TemporaryDirectory(dir=self.cache_path, prefix=".writing-") as beside:
                made = mteb.ResultCache(beside)
                staging = made.get_task_result_path(task_result.task_name, model_name, model_revision).parent
                staging.mkdir(parents=True)
                settings = place / "run_settings.jsonl"
                if settings.is_file():  # mteb adds to it
                    shutil.copy(settings, staging)
                made.save_to_cache(task_result, model_name, model_revision, encode_kwargs=encode_kwargs)
                for file in sorted(staging.iterdir(), key=lambda path: path.name == f"{task_result.task_name}.json"):  # the scores last
                    write_atomically(place / file.name, file.read_bytes())

    return WholeFiles(folder)


def check_whole(file: Path) -> None:
    """Raises: StoreError: a result file is there, and is no JSON object."""
    if not file.is_file():
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))  # not orjson: mteb writes NaN
    except ValueError as error:
        raise StoreError(f"{file}: no JSON: {error}", hint="Delete it: the task is then evaluated again.") from error
    if not isinstance(found, dict):
        raise StoreError(f"{file}: holds no result.", hint="Delete it: the task is then evaluated again.")
