"""The table of benchmarks and of published first stages, read from ``catalog.yaml`` and checked."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rerankbench.config import Options, read_yaml, validate
from rerankbench.errors import ConfigError, nearest


class Counts(Options):
    """What must be in a benchmark's qrels; None is not pinned."""

    judged_queries: int | None = None
    judgements: int | None = None


class BenchmarkEntry(Options):
    """One benchmark: see the head of ``catalog.yaml`` for the keys."""

    title: str
    description: str
    key: str
    qrels: str
    queries: str
    counts: Counts
    licence: str
    known_cause: str = ""
    embedded: bool = False


class FirstStageEntry(Options):
    """One published first stage and its folder below ``retrieval_results/``."""

    title: str
    folder: str


class HubData(Options):
    hub: str
    revision: str


class Catalog(Options):
    data: HubData
    first_stages: dict[str, FirstStageEntry]
    benchmarks: dict[str, BenchmarkEntry]

    def benchmark(self, name: str) -> BenchmarkEntry:
        """Raises: ConfigError: there is no benchmark of this name."""
        if name not in self.benchmarks:
            raise ConfigError(f"There is no benchmark {name!r}. {nearest(name, self.benchmarks)}")
        return self.benchmarks[name]

    def first_stage(self, name: str) -> FirstStageEntry:
        """Raises: ConfigError: there is no first stage of this name."""
        if name not in self.first_stages:
            raise ConfigError(f"There is no first stage {name!r}. {nearest(name, self.first_stages)}")
        return self.first_stages[name]


@cache
def load_catalog() -> Catalog:
    """The catalog that comes with this package."""
    file = read_yaml(Path(__file__).with_name("catalog.yaml"))
    return validate(Catalog, file.data, file.place)
