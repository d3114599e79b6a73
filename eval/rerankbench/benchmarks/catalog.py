"""The table of benchmarks and of published first stages, read from ``catalog.yaml`` and checked. Opens no data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from rerankbench.config import Options, read_yaml, validate
from rerankbench.errors import ConfigError, nearest

Entry = TypeVar("Entry")
QueryForm = Literal["original", "gpt4_reason"]
"""Which text of a query: its own, or the one that GPT-4 reasoned out for it (BRIGHT alone has both)."""


class Counts(Options):
    """What must be in a benchmark's files; None is not pinned.

    Attributes:
        grades: How many judgements have the grade 0, 1, 2 ….
        excluded: Pairs of query and excluded document.
        documents: In the corpus.
    """

    queries: int | None = None
    judged_queries: int | None = None
    judgements: int | None = None
    grades: tuple[int, ...] | None = None
    excluded: int | None = None
    documents: int | None = None


class TextEntry(Options):
    """Where a benchmark's documents may come from; an empty field is a place that does not have them.

    Attributes:
        split: The part of a hub data set that holds several benchmarks.
    """

    folder: str = ""
    hub: str = ""
    split: str = ""
    index: str = ""


class BenchmarkEntry(Options):
    """One benchmark: see the head of ``catalog.yaml`` for the keys."""

    title: str
    description: str
    key: str
    qrels: str
    queries: str
    counts: Counts
    licence: str
    text: TextEntry = TextEntry()
    relevant: int = 1
    exclusions: str = ""
    known_cause: str = ""
    restricted: bool = False
    embedded: bool = False


class FirstStageEntry(Options):
    """One first stage: see ``catalog.yaml`` for the keys."""

    title: str
    folder: str = ""
    runs: tuple[str, ...] = ()
    queries: QueryForm = "original"
    excluded: bool = False


class HubData(Options):
    """The authors' data set, the revisions of those with texts, and pinned hashes by place in the mirror's layout."""

    hub: str
    revision: str
    revisions: dict[str, str] = {}
    sha256: dict[str, str] = {}


class Catalog(Options):
    data: HubData
    first_stages: dict[str, FirstStageEntry]
    benchmarks: dict[str, BenchmarkEntry]

    def benchmark(self, name: str) -> BenchmarkEntry:
        """Raises: ConfigError: there is no benchmark of this name."""
        return _entry(self.benchmarks, "benchmark", name)

    def first_stage(self, name: str) -> FirstStageEntry:
        """Raises: ConfigError: there is no first stage of this name."""
        return _entry(self.first_stages, "first stage", name)


def _entry(table: Mapping[str, Entry], what: str, name: str) -> Entry:
    if name not in table:
        raise ConfigError(f"There is no {what} {name!r}. {nearest(name, table)}")
    return table[name]


@cache
def load_catalog() -> Catalog:
    """The catalog that comes with this package."""
    file = read_yaml(Path(__file__).with_name("catalog.yaml"))
    return validate(Catalog, file.data, file.place)
