"""What may stand in a configuration file: experiments and systems, as written; `resolve` turns them into cells."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from rerankbench.config.options import Options

WeightsStatus = Literal["none", "published", "train", "api", "unavailable"]


class Weights(Options):
    """How a system's weights are had.

    Attributes:
        status: ``none`` (needs none), ``published``, ``train`` (a recipe, no checkpoint), ``api``, ``unavailable``.
        how: The command that gets them, what the recipe does, or the reason why they cannot be had. Every status but ``none`` says it.
        recipe: The name of the training that makes them; only with ``train``.
    """

    status: WeightsStatus = "none"
    how: str = ""
    recipe: str = ""

    @model_validator(mode="after")
    def _says_how(self) -> Self:
        if self.status != "none" and not self.how:
            raise ValueError(f"weights of status {self.status!r} must say how they are had, or why not, in 'how'")
        if (self.status == "train") != bool(self.recipe):
            raise ValueError("'recipe' names the training of weights of status 'train', and of no others")
        return self


class SystemEntry(Options):
    """One system, as written in a file.

    Attributes:
        base: Name of a system to start from; what stands here is laid over it.
        ranker, engine: ``kind`` and that kind's options. An engine may be the name of one under `engines`.
        sweep: Dotted key → values; the system becomes one variant a combination.
        sources: Where each fact of this entry was read; ``[R]`` marks what is recalled and unverified.
    """

    name: str = Field(default="", pattern=r"^[^\s/\\]*$")
    base: str = ""
    ranker: dict[str, Any] = {}
    engine: str | dict[str, Any] | None = None
    weights: Weights | None = None
    sweep: dict[str, list[Any]] = {}
    note: str = ""
    sources: tuple[str, ...] = ()


class SystemsFile(Options):
    """``systems.yaml``: every system that can be named in an experiment."""

    systems: dict[str, SystemEntry]


class FigureChoice(Options):
    """What every kind of figure may say.

    Attributes:
        note: Stands at the end of the figure's caption.
    """

    note: str = ""


class SweepChoice(FigureChoice):
    """The shown measure over a swept key whose values are numbers, a panel a benchmark. In a file, ``figure: KEY`` is short for it."""

    kind: Literal["sweep"]
    key: str


class BarsChoice(FigureChoice):
    """One column of the table as bars, ours beside the paper's.

    Attributes:
        column: A benchmark or an average; ``first stage/benchmark`` where the table's columns differ in their first stage.
        order: As the table has its rows, or the best first.
    """

    kind: Literal["bars"]
    column: str
    order: Literal["table", "value"] = "table"


class LatencyChoice(FigureChoice):
    """Seconds a query, the paper's and ours, each on its own hardware.

    Attributes:
        pairs: Systems that are shown beside each other, the one that should be faster first.
        tables: Of the paper, where their seconds are printed.
    """

    kind: Literal["latency"]
    pairs: tuple[tuple[str, str], ...] = Field(min_length=1)
    tables: tuple[int, ...] = (12, 13)


class ScoresChoice(FigureChoice):
    """Native scores by rank position, averaged over queries.

    Attributes:
        panels: What has a panel of its own: each benchmark, or each system on each benchmark, its variants as lines.
    """

    kind: Literal["scores"]
    panels: Literal["benchmark", "system"] = "benchmark"


Choice = Annotated[SweepChoice | BarsChoice | LatencyChoice | ScoresChoice, Field(discriminator="kind")]


class ExperimentFile(Options):
    """One experiment: which systems rank which candidate lists, and what is measured.

    Attributes:
        table: The paper's table that the result stands beside, if any.
        first_stages: Where candidate lists come from.
        depth: Documents a list.
        candidates: First stages of this experiment's own, by name: ``kind`` and that kind's options. Their lists are built over the
            benchmark's corpus when the experiment is run. The ``stages`` of a fusion may be names of others; a file's path starts
            where this file lies.
        own_benchmarks: Benchmarks of one's own, by name: see `benchmarks.own.OwnBenchmark`.
        exclusions: When documents that a benchmark excludes for a query (BRIGHT) are dropped: from the ranking (``after``, the paper's
            way), from the candidate list (``before``), or not at all.
        reuse_embeddings: A ranker on the engine of a dense first stage takes the documents' vectors from it (the paper's end-to-end
            setting) where the texts are equal to the byte.
        measures: Written as ir_measures writes them; the first is the one that tables show.
        missing: What a judged query without a ranking does: stop, count 0, or be left out. All but ``error`` shows in tables.
        batch_queries: Lists handed to a ranker at once. Not part of a run's identity: what a list gets does not depend on
            its neighbours.
        averages: Column name → the benchmarks it is the mean of.
        layout: How `report` sets the table: a row a system, or a row a first stage with its ceiling and each reranker's gain.
        figure: What `report` draws besides the table: a swept key whose values are numbers, or ``kind`` and that kind's options.
        sweep: Dotted key (``depth``, ``first_stages``, ``ranker.X``, ``engine.X``) → values, for every system that has the key.
    """

    title: str
    description: str = ""
    table: int | None = None
    benchmarks: tuple[str, ...] = Field(min_length=1)
    first_stages: tuple[str, ...] = Field(default=("bm25",), min_length=1)
    depth: int = Field(default=100, ge=1)
    candidates: dict[str, dict[str, Any]] = {}
    own_benchmarks: dict[str, dict[str, Any]] = {}
    exclusions: Literal["after", "before", "none"] = "after"
    reuse_embeddings: bool = False
    engines: dict[str, dict[str, Any]] = {}
    systems: tuple[SystemEntry, ...] = Field(min_length=1)
    measures: tuple[str, ...] = Field(default=("nDCG@10",), min_length=1)
    missing: Literal["error", "zero", "skip"] = "error"
    batch_queries: int = Field(default=32, ge=1)
    averages: dict[str, tuple[str, ...]] = {}
    layout: Literal["systems", "first-stages"] = "systems"
    figure: Choice | None = None
    sweep: dict[str, list[Any]] = {}

    @model_validator(mode="after")
    def _averages_are_over_benchmarks_of_this_file(self) -> Self:
        for name, members in self.averages.items():
            unknown = [m for m in members if m not in self.benchmarks]
            if unknown:
                raise ValueError(f"average {name!r} is over {', '.join(unknown)}, not among this file's benchmarks")
        return self
