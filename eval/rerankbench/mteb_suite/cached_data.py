"""What the datasets library's cache holds and, without the hub, does not name: candidates and instructions of a task.

Asked for the configurations of a data set, the library names ``default`` alone where it cannot reach the hub. mteb then takes a reranking
task for a search of the whole corpus, and a task with instructions for one without, and says neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def cached_configurations() -> Iterator[None]:
    """Let mteb know, within the body, of every configuration that the cache has of a task's data at the task's revision."""
    from mteb.abstasks import retrieval_dataset_loaders as loaders

    named: Any = loaders.get_dataset_config_names  # type: ignore[attr-defined]  # imported there, from datasets

    def names(repository: str, revision: str | None = None, **more: Any) -> list[str]:
        told = list(named(repository, revision, **more))
        return [*told, *(name for name in _cached(repository, revision) if name not in told)]

    loaders.get_dataset_config_names = names  # type: ignore[attr-defined]  # the one place where mteb asks
    try:
        yield
    finally:
        loaders.get_dataset_config_names = named  # type: ignore[attr-defined]


def _cached(repository: str, revision: str | None) -> list[str]:
    """Names of the configurations, from the folders ``DATASETS/ORG___NAME/CONFIGURATION/VERSION/COMMIT`` that the library keeps."""
    import datasets.config
    from datasets.naming import camelcase_to_snakecase

    *organisation, name = repository.split("/")
    folder = Path(datasets.config.HF_DATASETS_CACHE).expanduser() / "___".join([*organisation, camelcase_to_snakecase(name)])
    return sorted({found.parts[-3] for found in folder.glob(f"*/*/{revision}") if found.is_dir()}) if revision else []
