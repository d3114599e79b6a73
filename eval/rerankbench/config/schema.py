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


class RepeatEntry(Options):
    """One of several runs that share a system's cells: another seed, engine or run file.

    Attributes:
        label: What tells it from the others; default: its number.
        ranker, engine: What is laid over the system's own.
    """

    label: str = ""
    ranker: dict[str, Any] = {}
    engine: str | dict[str, Any] | None = None


class SystemEntry(Options):
    """One system, as written in a file.

    Attributes:
        base: Name of a system to start from; what stands here is laid over it.
        ranker, engine: ``kind`` and that kind's options. An engine may be the name of one under `engines`.
        first_stages: Of the experiment's first stages, those that this system ranks; all of them where none is named.
        sweep: Dotted key → values; the system becomes one variant a combination.
        swept: Whether the experiment's own sweep of options is for this system too, where it has them.
        repeats: Runs that share this system's cells, which show their mean and their spread.
        sources: Where each fact of this entry was read; ``[R]`` marks what is recalled and unverified.
    """

    name: str = Field(default="", pattern=r"^[^\s/\\]*$")
    base: str = ""
    ranker: dict[str, Any] = {}
    engine: str | dict[str, Any] | None = None
    weights: Weights | None = None
    first_stages: tuple[str, ...] = ()
    repeats: tuple[RepeatEntry, ...] = ()
    sweep: dict[str, list[Any]] = {}
    swept: bool = True
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


class TradeoffChoice(FigureChoice):
    """The first measure over seconds a query, each system once a timing; throughput apart, which is no query's time.

    Attributes:
        paper: Whether the paper's systems are shown too, in a panel of their own: its nDCG@10 on TREC-COVID over its seconds there.
    """

    kind: Literal["tradeoff"]
    paper: bool = True


Choice = Annotated[SweepChoice | BarsChoice | LatencyChoice | ScoresChoice | TradeoffChoice, Field(discriminator="kind")]


Timing = Literal["cold", "documents-warm", "throughput"]
"""What the seconds of a query are: with nothing at hand, with the vectors of its documents at hand, or its share of all queries at once."""


AtOnce = Annotated[int, Field(ge=2)] | Literal["all"]
"""Queries that a ranker gets together."""


class ExperimentFile(Options):
    """One experiment: which systems rank which candidate lists, and what is measured.

    Attributes:
        table: The paper's table that the result stands beside, if any.
        first_stages: Where candidate lists come from.
        lists_from: First stage → benchmarks whose lists come from it alone; the first stages that are not named here serve the others.
        depth: Documents a list.
        candidates: First stages of this experiment's own, by name: ``kind`` and that kind's options. Their lists are built over the
            benchmark's corpus when the experiment is run. The ``stages`` of a fusion may be names of others; a file's path starts
            where this file lies.
        engines: Engines by a name for `systems`: ``kind`` and that kind's options, with ``base`` laid over another one of these.
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
        mteb_columns: Column of the paper's table → the configuration of MTEB scores (``layout: mteb``; a shipped one's name, or a file,
            beside this one) whose table has the same column and fills it, by system. Nothing is ranked or evaluated for it, and it is
            no part of a run's identity.
        significance: What is tested between the rows of a column, on the same queries: every row against every other (``letters``), every
            row against the first stage, depth and option values that the experiment starts from (``default``), or nothing. ``auto``:
            ``default`` where something is swept, nothing in a table of the paper's, else ``letters``.
        layout: What `report` shows: a row a system; a row a first stage with its ceiling and each reranker's gain; or the seconds that
            each system takes for one query (``latency``), whose runs are kept apart from all others.
        warmup: Queries of the layout ``latency`` that are ranked before the clock counts, after every start: the first ones, again.
        passes: How often the layout ``latency`` times every query, each pass a run of its own; a row is then the mean over passes.
        timings: What the layout ``latency`` times, each in runs of its own: queries one at a time with nothing kept between them
            (``cold``); the same with the documents' vectors at hand, for the rankers that encode documents apart from their prompts
            (``documents-warm``, which the paper counts as "others"); all queries at once (``throughput``).
        at_once: How many queries the timing ``throughput`` hands to a ranker together, each number in runs of its own.
        figure: What `report` draws besides the table: a swept key whose values are numbers, or ``kind`` and that kind's options.
        sweep: Dotted key (``depth``, ``first_stages``, ``ranker.X``, ``engine.X``) → values, for every system that has the key.
    """

    title: str
    description: str = ""
    table: int | None = None
    benchmarks: tuple[str, ...] = Field(min_length=1)
    first_stages: tuple[str, ...] = Field(default=("bm25",), min_length=1)
    lists_from: dict[str, tuple[str, ...]] = {}
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
    mteb_columns: dict[str, str] = {}
    significance: Literal["auto", "letters", "default", "none"] = "auto"
    layout: Literal["systems", "first-stages", "latency"] = "systems"
    warmup: int = Field(default=3, ge=0)
    passes: int = Field(default=1, ge=1)
    timings: tuple[Timing, ...] = Field(default=("cold",), min_length=1)
    at_once: tuple[AtOnce, ...] = Field(default=("all",), min_length=1)
    figure: Choice | None = None
    sweep: dict[str, list[Any]] = {}

    @model_validator(mode="after")
    def _averages_are_over_benchmarks_of_this_file(self) -> Self:
        for name, members in self.averages.items():
            unknown = [m for m in members if m not in self.benchmarks]
            if unknown:
                raise ValueError(f"average {name!r} is over {', '.join(unknown)}, not among this file's benchmarks")
        return self

    @model_validator(mode="after")
    def _mteb_fills_columns_of_the_papers_that_nothing_else_does(self) -> Self:
        if self.mteb_columns and (self.table is None or self.layout != "systems"):
            raise ValueError("'mteb_columns' fills columns of a table of the paper: name it as 'table', in the layout 'systems'")
        for name in self.mteb_columns:
            if name in self.benchmarks or name in self.averages:
                raise ValueError(f"'mteb_columns' would fill {name!r}, which this file has among its benchmarks or averages")
        return self

    @model_validator(mode="after")
    def _lists_are_from_first_stages_of_this_file(self) -> Self:
        for first_stage, served in self.lists_from.items():
            if first_stage not in self.first_stages:
                raise ValueError(f"'lists_from' names {first_stage!r}, which is not among this file's first_stages")
            unknown = [name for name in served if name not in self.benchmarks]
            if unknown:
                raise ValueError(f"'lists_from' of {first_stage!r} names {', '.join(unknown)}, not among this file's benchmarks")
        return self

    @model_validator(mode="after")
    def _latency_is_of_one_query_and_cold(self) -> Self:
        if self.layout == "latency" and self.batch_queries != 1:
            raise ValueError(
                f"layout 'latency' needs batch_queries: 1; {self.batch_queries} queries at a time tell throughput, not latency"
            )
        if self.layout == "latency" and self.reuse_embeddings:
            raise ValueError("layout 'latency' times the encoding of documents: leave 'reuse_embeddings' out")
        return self

    @property
    def synthetic(self) -> tuple[str, ...]:
        """Names of the benchmarks that are drawn text."""
        return tuple(name for name, own in self.own_benchmarks.items() if own.get("synthetic") is not None)

    @model_validator(mode="after")
    def _synthetic_text_is_timed_and_called_so(self) -> Self:
        if self.synthetic and self.layout != "latency":
            raise ValueError(f"benchmark {self.synthetic[0]!r} is drawn text, for layout 'latency' alone: its quality means nothing")
        other = [name for name in self.synthetic if not name.startswith("synthetic")]
        if other:
            raise ValueError(f"benchmark {other[0]!r} is drawn text: let its name begin with 'synthetic', so that it passes for no other")
        return self

    @model_validator(mode="after")
    def _is_timed_where_it_says_how(self) -> Self:
        idle = sorted({"warmup", "passes", "timings", "at_once"} & self.model_fields_set)
        if idle and self.layout != "latency":
            raise ValueError(f"{idle[0]!r} says how queries are timed, which layout 'latency' alone does")
        if isinstance(self.figure, TradeoffChoice) and self.layout != "latency":
            raise ValueError("figure 'tradeoff' shows seconds a query, which layout 'latency' alone times")
        if len(set(self.timings)) < len(self.timings):
            raise ValueError("'timings' names one of them twice")
        if len(set(self.at_once)) < len(self.at_once):
            raise ValueError("'at_once' names a number twice")
        if "at_once" in self.model_fields_set and "throughput" not in self.timings:
            raise ValueError("'at_once' says how many queries are timed together, which 'throughput' among the 'timings' does")
        beside_the_paper = self.table is not None or isinstance(self.figure, LatencyChoice)
        if self.layout == "latency" and beside_the_paper and self.timings != ("cold",):
            raise ValueError("beside the paper's seconds stand cold ones alone: leave 'timings' out, or 'table' and 'figure'")
        return self
