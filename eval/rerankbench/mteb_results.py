"""Result files of the mteb package, read without it: which are at hand for a model, and a task's score in them.

A folder of results holds ``<org>__<model>/<revision>/<Task>.json`` with a ``model_meta.json`` beside them, perhaps below ``results/``,
where mteb's own command puts them, or one model's files without a folder of their own. What mteb keeps below ``experiments/`` was made
with other settings, and is not looked at. Where two files claim one score, neither is taken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerankbench.errors import ConfigError, DataError, MissingData
from rerankbench.reference.mteb import Task
from rerankbench.reference.verdict import mean

META = "model_meta.json"
SAME = 1e-4
"""Scores that differ by less are one score: mteb has written them with four to six decimals."""

_AGAIN = "Delete it, or let mteb evaluate the task again."


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One file.

    Attributes:
        mteb_version: What made it; empty where it does not say.
        seconds: The task's evaluation time; None where it does not say.
        scores: Split → subset → measure → value, a fraction.
    """

    path: Path
    task: str
    mteb_version: str
    dataset_revision: str
    seconds: float | None
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @property
    def claims(self) -> tuple[str, Mapping[tuple[str, str], Any]]:
        """What two files of one task must agree in: revision of the data, and the main scores."""
        main = {(split, subset): entry.get("main_score") for split, subsets in self.scores.items() for subset, entry in subsets.items()}
        return self.dataset_revision, main


@dataclass(frozen=True, slots=True)
class Score:
    """A task's score.

    Attributes:
        value: A fraction: the main score of what is evaluated of the task.
        versions: Of mteb, that made it, each once. A file may be of several, split by split.
        results: The files that it was read from: one, or one a member of the task that is a mean.
        measures: What it is of, each once: the paper's main score or the later one, where the file's is one of them; else all by
            which it may have come about. Empty for a task of which neither is known.
        is_papers_measure: Whether that is the measure that the task's main score was in the paper's mteb, for a task that is known.
    """

    task: str
    value: float
    versions: tuple[str, ...]
    results: tuple[TaskResult, ...]
    measures: tuple[str, ...] = ()
    is_papers_measure: bool = True

    @property
    def revisions(self) -> tuple[str, ...]:
        """Of the data, each once."""
        return _once(result.dataset_revision for result in self.results)


@dataclass(frozen=True)
class ModelResults:
    """All files of one revision of a model.

    Attributes:
        has_instructions: Whether queries bore an instruction; None where that is not said.
        files: Task → the files that claim to hold it.
    """

    model: str
    revision: str
    has_instructions: bool | None
    files: Mapping[str, tuple[Path, ...]]

    def score(self, name: str, task: Task | None = None) -> Score:
        """The score of a task.

        Args:
            task: What is evaluated of it, and what it is the mean of. None for a task of no benchmark here: then its file must
                leave no choice.

        Raises:
            MissingData: no file has it, or the file lacks the split or subset that counts.
            ConfigError: several scores claim its place.
            DataError: a file is damaged.
        """
        if task is None or not task.mean_of:
            return _score_of(self._result(name), name, task)
        members = [member for member in task.mean_of if member in self.files]
        if name in self.files and len(members) < len(task.mean_of):
            return _score_of(self._result(name), name, task)
        made = self._mean_of(name, task, members)
        whole = self._own_mean(name, task)
        if whole is not None and abs(whole - made.value) > SAME:
            raise ConfigError(f"{name} is {whole:.5f} in its file, and {made.value:.5f} as the mean of its {len(members)} parts.")
        return made

    def _own_mean(self, name: str, task: Task) -> float | None:
        """What a mean's own file says; None where there is no such file, or it holds none."""
        result = self._result(name) if name in self.files else None
        if result is None or any(entry.get("main_score") is None for entry in _entries(result, task)):
            return None
        return _score_of(result, name, task).value

    def _mean_of(self, name: str, task: Task, members: Sequence[str]) -> Score:
        absent = [member for member in task.mean_of if member not in members]
        if absent and members:
            raise MissingData(f"{name} is a mean: {len(members)} of {len(task.mean_of)} parts are there; missing: {', '.join(absent)}.")
        if absent:
            raise self._none()
        scores = [_score_of(self._result(member), member, task) for member in task.mean_of]
        return Score(
            name,
            mean([score.value for score in scores]),
            tuple(sorted({version for score in scores for version in score.versions})),
            tuple(result for score in scores for result in score.results),
            _once(measure for score in scores for measure in score.measures),
            all(score.is_papers_measure for score in scores),
        )

    def _none(self) -> MissingData:
        return MissingData(f"{self.model} has no result of this task.")

    def _result(self, name: str) -> TaskResult:
        if name not in self.files:
            raise self._none()
        first, *others = (read_result(path) for path in self.files[name])
        for other in others:
            if other.claims != first.claims:
                raise ConfigError(f"Two files of one revision hold different results of {name}: {first.path}, {other.path}.")
        if first.task != name:
            raise DataError(f"{first.path}: holds the task {first.task!r}, not {name!r}.")
        return first


def find_results(folders: Iterable[Path], model: str, revision: str = "", *, without: Container[str] = ()) -> ModelResults:
    """The results of one revision of a model in any of the folders.

    Args:
        model: Its name on the hub.
        revision: Which one; empty where there is only one.
        without: Revisions that are not looked at.

    Raises:
        MissingData: there are none.
        ConfigError: there are several revisions and none is named.
        DataError: a `model_meta.json` is damaged.
    """
    found = [one for folder in folders for one in _revisions(folder, model) if one.revision not in without]
    wanted = [one for one in found if not revision or one.revision == revision]
    revisions = {one.revision: sum(len(o.files) for o in wanted if o.revision == one.revision) for one in wanted}
    if not wanted:
        other = f" of its revision {revision}; there is {', '.join(one.revision for one in found)}" if found else ""
        raise MissingData(f"There are no mteb results of {model}{other}.")
    if len(revisions) > 1:
        listed = ", ".join(f"{name} ({tasks} tasks)" for name, tasks in revisions.items())
        raise ConfigError(f"There are mteb results of {len(revisions)} revisions of {model}: {listed}.", hint="Name one as its 'revision'.")
    files: dict[str, tuple[Path, ...]] = {}
    for one in wanted:
        for task, paths in one.files.items():
            files[task] = (*files.get(task, ()), *paths)
    instructed = {one.has_instructions for one in wanted}
    return ModelResults(model, wanted[0].revision, instructed.pop() if len(instructed) == 1 else None, files)


def revisions_of(folders: Iterable[Path], model: str) -> list[str]:
    """Under which a model has results in any of the folders, each once. Raises: DataError: a `model_meta.json` is damaged."""
    return list(dict.fromkeys(one.revision for folder in folders for one in _revisions(folder, model) if one.files))


def read_result(path: Path) -> TaskResult:
    """Read a task's file.

    Raises:
        DataError: it is no result of mteb 1.11 or later, or a main score is no number.
    """
    data = _read_json(path)
    try:
        seconds = data.get("evaluation_time")
        return TaskResult(
            path,
            str(data["task_name"]),
            str(data.get("mteb_version") or ""),
            str(data["dataset_revision"]),
            None if seconds is None else float(seconds),
            {split: {str(entry["hf_subset"]): entry for entry in entries} for split, entries in data["scores"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"is no result of mteb ({type(error).__name__}: {error})"
        if "mteb_dataset_name" in data:
            said = "was written by mteb before 1.11, which had another form"
        raise DataError(f"{path}: {said}.", hint=_AGAIN) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))  # not orjson: mteb writes NaN, which JSON does not know
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}", hint=_AGAIN) from error
    if not isinstance(data, dict):
        raise DataError(f"{path}: expected a mapping, found {type(data).__name__}.")
    return data


def _score_of(result: TaskResult, name: str, task: Task | None) -> Score:
    entries = _entries(result, task)
    value = mean([_main_score(entry, result) for entry in entries])
    versions = _once(str(entry.get("mteb_version") or result.mteb_version) for entry in entries)
    measures = _once(measure for entry in entries for measure in _measures(entry, task)) if task else ()
    of_paper = task is None or not task.main_score or all(entry.get(task.main_score) == entry["main_score"] for entry in entries)
    return Score(name, value, versions, (result,), measures, of_paper)


def _main_score(entry: Mapping[str, Any], result: TaskResult) -> float:
    value = entry.get("main_score")
    if value is None:
        raise MissingData(f"{result.path.name} holds no main score, as mteb writes it for a mean that lacks members.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{result.path}: expected a number as main score, found {value!r}.")
    return float(value)


def _measures(entry: Mapping[str, Any], task: Task) -> Iterable[str]:
    """The file does not say which of its measures the main score is: it is the one that has its value."""
    same = [name for name, value in entry.items() if name != "main_score" and value == entry["main_score"]]
    known = [name for name in (task.main_score, task.main_score_now) if name in same]
    return known[:1] or same if task.main_score else ()


def _entries(result: TaskResult, task: Task | None) -> list[Mapping[str, Any]]:
    """The scores of all that is evaluated of the task: of so many splits and subsets, its score is the mean."""
    there = [(split, subset) for split, subsets in result.scores.items() for subset in subsets]
    listed = ", ".join(" ".join(place) for place in there) or "nothing"
    if task is None and len(there) != 1:
        raise ConfigError(f"{result.path.name} holds {listed}: which of them is the task's score is not known here.")
    wanted = there if task is None else task.places
    absent = [place for place in wanted if place not in there]
    if absent:
        raise MissingData(f"{result.path.name} holds {listed}, not {', '.join(' '.join(place) for place in absent)}.")
    return [result.scores[split][subset] for split, subset in wanted]


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _revisions(folder: Path, model: str) -> Iterator[ModelResults]:
    """Each revision of a model in a folder, the flat form included."""
    if (folder / META).is_file():
        one = _model(folder, "", "")
        if one.model == model:
            yield one
    safe = model.replace("/", "__").replace(" ", "_")
    for of_model in (folder / safe, folder / "results" / safe):
        if of_model.is_dir():
            yield from (_model(path, model, path.name) for path in sorted(of_model.iterdir()) if path.is_dir())


def _model(folder: Path, model: str, revision: str) -> ModelResults:
    """The files of one folder; names from its `model_meta.json` where no folder says them."""
    meta = _read_json(folder / META) if (folder / META).is_file() else {}
    files = {path.stem: (path,) for path in sorted(folder.glob("*.json")) if path.name != META}
    instructed = meta.get("use_instructions")
    return ModelResults(
        model or str(meta.get("name")), revision or str(meta.get("revision")), instructed if isinstance(instructed, bool) else None, files
    )
