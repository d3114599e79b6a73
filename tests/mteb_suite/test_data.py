"""A task's data is the one that it names, with candidates where it ranks some; else it is missing, not another question."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from rerankbench.errors import MissingData
from rerankbench.mteb_suite.data import at_its_revision, begin_anew, with_candidates

REVISION = "d3fb88f8f02e40887cd149695127462bbcf29b4a"
# As datasets 5.2 writes it.
SAYS = "Found the latest cached dataset configuration 'default' at cache/mteb___biosses-sts/default/0.0.0/%s (last modified on Sat Nov 28)."

SAYER = "datasets.packaged_modules.cache.cache"


def task(type_: str = "STS", **more: Any) -> Any:
    return SimpleNamespace(metadata=SimpleNamespace(name="T", type=type_, revision=REVISION), seed=42, **more)


def _said(text: str) -> None:
    logging.getLogger(SAYER).warning(text)


def test_another_revision_out_of_the_cache_is_refused() -> None:
    with pytest.raises(MissingData, match=f"another revision of the data than the task names \\(T: {REVISION}\\)"), at_its_revision(task()):
        _said(SAYS % ("0" * 40))


def test_the_named_revision_out_of_the_cache_is_taken() -> None:
    with at_its_revision(task()):
        _said(SAYS % REVISION)


@contextmanager
def _set_verbosity_error() -> Iterator[None]:
    library = logging.getLogger("datasets")
    level = library.level
    library.setLevel(logging.ERROR)  # what datasets.logging.set_verbosity_error and DATASETS_VERBOSITY=error do
    yield
    library.setLevel(level)


@contextmanager
def _all_disabled() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@contextmanager
def _this_one_disabled() -> Iterator[None]:
    logger = logging.getLogger(SAYER)
    logger.disabled = True  # as logging.config does to loggers that it does not know
    yield
    logger.disabled = False


@pytest.mark.parametrize("silence", [_set_verbosity_error, _all_disabled, _this_one_disabled])
def test_it_is_refused_where_the_library_is_to_be_silent_too(
    silence: Callable[[], AbstractContextManager[None]], caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger(SAYER)
    with silence():
        before = (logger.level, logger.propagate, logger.disabled, logger.handlers[:], logging.root.manager.disable)
        with pytest.raises(MissingData, match="another revision"), at_its_revision(task()):
            _said(SAYS % ("0" * 40))
        assert (logger.level, logger.propagate, logger.disabled, logger.handlers[:], logging.root.manager.disable) == before
        with at_its_revision(task()):
            _said(SAYS % REVISION)
        assert not caplog.records  # who asked for silence still has it


def test_afterwards_nobody_is_watched() -> None:
    with at_its_revision(task()):
        pass
    _said(SAYS % ("0" * 40))


def _ranking(top_ranked: Any, type_: str = "Reranking") -> Any:
    data = {"default": {"test": {"top_ranked": {"q": ["d"]}}, "dev": {"top_ranked": top_ranked}}}
    return task(type_, dataset=data, data_loaded=True, convert_v1_dataset_format_to_v2=lambda num_proc: None)


def test_a_reranking_task_without_candidates_is_refused_and_no_search() -> None:
    with pytest.raises(MissingData, match=r"its data has none \(default dev\)"):
        with_candidates(_ranking(None))
    with_candidates(_ranking({"q": ["d"]}))
    with_candidates(_ranking(None, "Retrieval"))


def test_draws_begin_anew() -> None:
    one = task()
    begin_anew(one)
    first = one.rng_state.random(), one.np_rng.random()
    begin_anew(one)
    assert (one.rng_state.random(), one.np_rng.random()) == first
