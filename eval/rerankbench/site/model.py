"""What the site shows: tables, candidate lists, and the runs over them, each with the place of its page. Frozen, no I/O.

Paths of pages are relative to the site's folder, with ``/``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rerankbench.benchmarks import Collection, OwnCollection
from rerankbench.benchmarks.exclusions import Exclusions
from rerankbench.config import System
from rerankbench.measures.quality import check_measure
from rerankbench.records import CandidateList, Qrels
from rerankbench.report import Listing, Shape, Table
from rerankbench.report.marks import Figure


@dataclass(frozen=True)
class ShownTable:
    """One configuration's table.

    Attributes:
        config: The configuration's name.
        called: What a command line calls it.
        description: What it says about itself.
        more: Further tables, by the name of their files, some of words; what they lack is what the first one lacks.
        figure: What is drawn of it; the table of a configuration that is there for its figure repeats cells of others.
        drawn: Where the figure's files lie, ``figure.svg`` among them.
    """

    config: str
    called: str
    description: str
    page: str
    table: Table
    shape: Shape
    figure: Figure | None = None
    drawn: str = ""
    more: Mapping[str, Table | Listing] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, Table | Listing]:
        """All of them, the main one first."""
        return {"table": self.table, **self.more}

    @property
    def title(self) -> str:
        """Of the figure where there is one: its table may be a table of the paper's that has a page of its own."""
        return self.figure.title if self.figure else self.table.title

    @property
    def incomplete(self) -> bool:
        """Whether the table or the figure lacks a value."""
        return bool(max(table.exit_code() for table in self.tables.values()) or (self.figure and self.figure.exit_code()))


@dataclass(frozen=True)
class ShownRun:
    """A complete run.

    Attributes:
        name: Of its folder: what finds it in addresses and hashes.
        path: Its folder, relative to the folder of runs.
        label: The system, as the first configuration that has it calls it.
        manifest: Without places of this machine.
        values: Measure → query id → value.
        tables: The tables that it stands in.
        command: What makes it.
    """

    name: str
    path: str
    page: str
    label: str
    system: System
    manifest: Mapping[str, Any]
    values: Mapping[str, Mapping[str, float]]
    tables: tuple[str, ...]
    command: str

    @property
    def kind(self) -> str:
        """Of its ranker."""
        return self.system.ranker.kind

    @property
    def caveat(self) -> str:
        return str(self.manifest["caveat"])

    @property
    def seconds_per_query(self) -> float:
        """Wall time over queries. With more than one query in a batch it tells throughput, not how long one query waits."""
        return float(self.manifest["seconds"]) / max(1, int(self.manifest["queries"]))

    @cached_property
    def hardware(self) -> str:
        hardware = self.manifest["environment"]["hardware"]
        return ", ".join(hardware["gpus"]) or f"{hardware['cpu']}, {hardware['cores']} cores"


@dataclass(frozen=True)
class ShownList:
    """The candidate lists of one first stage on one benchmark, and every run over them.

    Attributes:
        title: The benchmark as the paper prints it.
        folder: Where its pages lie; ``index.html`` there compares systems.
        queries: Query id → page, in the order of the lists.
        licence: What may be done with the texts.
    """

    benchmark: Collection | OwnCollection
    title: str
    licence: str
    first_stage: str
    depth: int
    folder: str
    lists: Sequence[CandidateList]
    queries: Mapping[str, str]
    qrels: Qrels
    excluded: Exclusions | None
    runs: tuple[ShownRun, ...]

    @property
    def label(self) -> str:
        return f"{self.benchmark.name}, {self.first_stage} top {self.depth}"

    @property
    def page(self) -> str:
        return f"{self.folder}/index.html"

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """Every measure of any run, the one that tables show first."""
        return tuple(dict.fromkeys(check_measure(name) for run in self.runs for name in run.values))


@dataclass(frozen=True)
class Contents:
    """All that a site holds.

    Attributes:
        environment: Of the process that builds it.
    """

    tables: tuple[ShownTable, ...]
    lists: tuple[ShownList, ...]
    environment: Mapping[str, Any]

    @property
    def runs(self) -> tuple[ShownRun, ...]:
        return tuple(run for each in self.lists for run in each.runs)
