"""A task's data, checked: at the revision that the task names, and with candidates where it is to rank some.

Without the hub the datasets library takes the newest revision that its cache has, and says so in its log alone; and a reranking task
whose candidates are not in that cache goes on as a search of the whole corpus.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rerankbench import hub
from rerankbench.errors import MissingData, RerankbenchError
from rerankbench.mteb_suite.cached_data import cached_configurations
from rerankbench.mteb_suite.failures import failure_of
from rerankbench.mteb_suite.identity import OWN
from rerankbench.mteb_suite.tasks import RERANKING

_LOGGERS = ("datasets.packaged_modules.cache.cache", "datasets.load")
"""Where the library says that it takes another version than was asked for."""
_SAYS_SO = "latest cached"


@contextmanager
def at_its_revision(task: Any) -> Iterator[None]:
    """Raise where the body would work on another revision of the task's data than the one that it names.

    The library says so in its log alone, which is therefore heard whatever was made silent: `logging.disable` is lifted meanwhile, for
    all loggers, as there is no other way to hear one.

    Raises:
        MissingData: the cache has another revision alone.
    """
    watch = _Watch({str(part.metadata.revision): part.metadata.name for part in parts_of(task)})
    with ExitStack() as watched:
        for name in _LOGGERS:
            watched.enter_context(_heard(logging.getLogger(name), watch))
        watched.callback(logging.disable, logging.root.manager.disable)
        logging.disable(logging.NOTSET)
        yield


@contextmanager
def _heard(logger: logging.Logger, watch: logging.Handler) -> Iterator[None]:
    """Hand a logger's warnings to `watch`, whatever it was told to keep quiet; nobody else hears more of it than before."""
    level, propagate, disabled = logger.level, logger.propagate, logger.disabled
    if not logger.isEnabledFor(logging.WARNING):
        logger.propagate = False
    logger.disabled = False
    logger.setLevel(logging.WARNING)
    logger.addHandler(watch)
    try:
        yield
    finally:
        logger.removeHandler(watch)
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled


class _Watch(logging.Handler):
    """Turns the library's remark into an error."""

    def __init__(self, revisions: dict[str, str]) -> None:
        super().__init__(logging.WARNING)
        self._revisions = revisions

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        names_a_folder = "dataset configuration" in said
        if _SAYS_SO in said and names_a_folder and not any(revision in said for revision in self._revisions):
            wanted = ", ".join(f"{name}: {revision}" for revision, name in self._revisions.items())
            raise MissingData(
                f"The hub is not reached, and the datasets cache has another revision of the data than the task names ({wanted}).",
                hint="Copy a datasets cache with that revision to HF_HOME, or let the hub be reached.",
            )


def loaded(task: Any) -> None:
    """Load a task's data now, in mteb's present form; a reranking task has candidates then.

    Raises:
        MissingData: the data is not at hand, or of another revision, or it lacks candidates.
    """
    try:
        ask_once(task)
        with at_its_revision(task), cached_configurations(), quietly():
            if not task.data_loaded:
                task.load_data()
            task.convert_v1_dataset_format_to_v2(num_proc=None)
            with_candidates(task)
    except RerankbenchError:
        raise
    except Exception as problem:  # a task is code of others, which may raise anything
        failure = failure_of(problem)
        raise MissingData(f"The data of {task.metadata.name} is not at hand. {failure.reason}", hint=failure.hint) from problem


def ask_once(task: Any) -> None:
    """Ask the hub for a few seconds, where the library's own cache has nothing of the data: it would ask six times, for half a minute.

    Raises:
        MissingData: there is no answer.
    """
    for part in parts_of(task):
        repo, revision = str(part.metadata.dataset["path"]), str(part.metadata.dataset["revision"])
        organisation, _, name = repo.partition("/")
        if part.data_loaded or organisation == OWN or not name or _is_cached(organisation, name):
            continue
        try:
            hub.resolve_commit(repo, revision, "dataset")
        except hub.HubUnreachable as problem:
            hint = problem.hint or "Let the hub be reached, or copy a datasets cache to HF_HOME."
            raise MissingData(f"The data of {part.metadata.name} is not at hand: {problem.message}.", hint=hint) from problem


def _is_cached(organisation: str, name: str) -> bool:
    """Whether the library's cache has anything of a data set; it writes mteb/SciFact as mteb___sci_fact."""
    from datasets import config

    cached = (folder.name.partition("___")[2] for folder in Path(config.HF_DATASETS_CACHE).glob(f"{organisation}___*"))
    return any(_plain(one) == _plain(name) for one in cached)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def with_candidates(task: Any) -> None:
    """Load a reranking task's data now, and see that every split of it has candidates.

    Raises:
        MissingData: one has none.
    """
    if task.metadata.type not in RERANKING:
        return
    if not task.data_loaded:
        task.load_data()
    task.convert_v1_dataset_format_to_v2(num_proc=None)
    lacking = [
        f"{subset} {split}" for subset, splits in task.dataset.items() for split, data in splits.items() if data["top_ranked"] is None
    ]
    if lacking:
        raise MissingData(
            f"{task.metadata.name} is to rank candidates, and its data has none ({', '.join(lacking)}).",
            hint="Let the hub be reached once: the datasets cache lacks top_ranked, and without it the whole corpus would be searched.",
        )


def begin_anew(task: Any) -> None:
    """Start the streams of random numbers that a task draws from: whoever is evaluated second gets the draws of the first."""
    for part in parts_of(task):
        part.rng_state = random.Random(part.seed)  # noqa: S311  as mteb makes them
        part.np_rng = np.random.default_rng(part.seed)


def unload(task: Any) -> None:
    """Give the data's memory back."""
    for part in parts_of(task):
        if part.data_loaded:
            part.unload_data()


def parts_of(task: Any) -> list[Any]:
    """The tasks that a task is the mean of; itself where it is none."""
    return list(getattr(task.metadata, "tasks", None) or [task])


@contextmanager
def quietly() -> Iterator[None]:
    """Without the bars of the datasets library, which would tear our own display apart."""
    import datasets

    shown = datasets.are_progress_bars_disabled() is False
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
