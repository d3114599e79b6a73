"""Why two numbers differ: two stored runs, or one and a cell of the paper, put beside each other field by field.

What measuring alone decides is measured under the rules of both; what ranking decides is seen in the queries. Ranks nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from rerankbench.benchmarks import load_catalog
from rerankbench.config import load_systems
from rerankbench.errors import UsageError, nearest
from rerankbench.measures.interval import bootstrap_interval
from rerankbench.measures.orders import tau_union
from rerankbench.reference.noise import floor_of
from rerankbench.reference.paper import PaperCell
from rerankbench.reference.paper import load as load_paper
from rerankbench.reference.verdict import mean
from rerankbench.report.cells import Cell, Status
from rerankbench.scoring import SAME, Judgements, Rules, Scorer, StoredRun, rules_of
from rerankbench.tables import PAPER_DEPTH

Decides = Literal["ranking", "measurement", "circumstance"]
"""What a field is part of: all that decides the order, all that decides its value, or what was merely so (versions, times)."""

ABSENT = "(not said)"
"""In place of the value of a field that one of the two does not have."""

_OUTPUT = frozenset({"id", "files"})
"""Hashes of everything else: they differ whenever anything does."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of two protocols.

    Attributes:
        name: Dotted, e.g. ``ranker.prompts.e2rank-listwise``.
    """

    name: str
    decides: Decides
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Effect:
    """What one differing rule of measurement is worth.

    Attributes:
        a_otherwise: Mean of A under its own rules, this one taken from B; None where that gives no mean.
        b_otherwise: The other way round.
    """

    rule: str
    a: Any
    b: Any
    a_otherwise: float | None
    b_otherwise: float | None


@dataclass(frozen=True, slots=True)
class QueryChange:
    """One query under both runs.

    Attributes:
        a, b: Its values, both by the rules of A.
        tau: Kendall's tau (union) of the two rankings; None where one has fewer than two documents.
    """

    query_id: str
    a: float
    b: float
    tau: float | None


@dataclass(frozen=True)
class Explanation:
    """Two runs beside each other.

    Attributes:
        differing: What decides the ranking first, then what decides the value, then circumstances.
        equal: How many other fields are equal.
        a_mean, b_mean: Each by its own rules and its own first measure.
        b_by_rules_of_a: B measured as A was: what is left of the difference then is the ranking's.
        effects: Of each rule of measurement that differs and can be applied to what is stored.
        queries: How many are in both runs.
        reordered: Of how many of them the rankings differ.
        tau: Mean over the judged queries that have one, ordered by A's rules; None where none has.
        changes: The queries whose values differ, largest difference first.
    """

    measure: str
    differing: tuple[Field, ...]
    equal: int
    a_mean: float | None
    b_mean: float | None
    b_by_rules_of_a: float | None
    effects: tuple[Effect, ...]
    queries: int
    reordered: int
    tau: float | None
    changes: tuple[QueryChange, ...]
    notes: tuple[str, ...]


def explain(a: StoredRun, b: StoredRun, judged: Judgements) -> Explanation:
    """Compare two runs of one benchmark.

    Raises:
        MeasureError: a run shares no query with the judgements.
    """
    differing, equal = compared(a.manifest, b.manifest)
    one, other = Scorer(a, judged, a.measure), Scorer(b, judged, b.measure)
    rules_a, rules_b = rules_of(a, judged, a.measure), rules_of(b, judged, b.measure)
    b_as_a = Scorer(b, judged, a.measure)
    queries = _changes(one, b_as_a, rules_a)
    taus = [change.tau for change in queries if change.tau is not None]
    rankings = {ranking.query_id: ranking.doc_ids for ranking in b.rankings}
    common = [ranking for ranking in a.rankings if ranking.query_id in rankings]
    valued = [change for change in queries if abs(change.a - change.b) > SAME]
    return Explanation(
        measure=a.measure,
        differing=differing,
        equal=equal,
        a_mean=one.mean(rules_a),
        b_mean=other.mean(rules_b),
        b_by_rules_of_a=b_as_a.mean(rules_a),
        effects=tuple(_effects(one, other, rules_a, rules_b, judged)),
        queries=len(common),
        reordered=sum(ranking.doc_ids != rankings[ranking.query_id] for ranking in common),
        tau=sum(taus) / len(taus) if taus else None,
        changes=tuple(sorted(valued, key=lambda change: -abs(change.b - change.a))),
        notes=tuple(_notes({"A": a, "B": b}, judged)),
    )


def compared(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[tuple[Field, ...], int]:
    """The fields in which two manifests differ, and how many are equal."""
    ours, theirs = dict(_fields(a)), dict(_fields(b))
    names = dict.fromkeys([*ours, *theirs])
    both = [Field(name, _decides(name, a, b), ours.get(name, ABSENT), theirs.get(name, ABSENT)) for name in names]
    differing = [field for field in both if field.a != field.b]
    order: tuple[Decides, ...] = ("ranking", "measurement", "circumstance")
    return tuple(sorted(differing, key=lambda field: order.index(field.decides))), len(both) - len(differing)


def _fields(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted names and values. Options stand in the system, and again in the identity if they decide the ranking: once here."""
    system, identity = manifest["system"], manifest["identity"]
    parts = {name: _joined(system.get(name), identity.get(name)) for name in ("ranker", "engine")}
    rest = {key: value for key, value in manifest.items() if key not in _OUTPUT | {"identity", "system"}}
    yield from _flat("", {"system": system["name"], **identity, **parts, **rest})


def _joined(written: Mapping[str, Any] | None, decisive: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**(written or {}), **(decisive or {})}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else key, inner)
    else:
        yield prefix, value


def _decides(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Decides:
    if name.startswith("measures.") or name == "benchmark.qrels_sha256":
        return "measurement"
    identities = dict(_flat("", a["identity"])) | dict(_flat("", b["identity"]))
    return "ranking" if name in identities and not name.startswith("timed.") else "circumstance"


def _effects(one: Scorer, other: Scorer, a: Rules, b: Rules, judged: Judgements) -> Iterator[Effect]:
    if one.measure != other.measure:  # gain and level are the measure's here, and come with it
        measured_as = [Scorer(mine.run, judged, theirs.measure) for mine, theirs in ((one, other), (other, one))]
        a_as_b, b_as_a = (
            scorer.mean(replace(rules, gain=theirs.gain, level=theirs.level))
            for scorer, rules, theirs in zip(measured_as, (a, b), (b, a), strict=True)
        )
        yield Effect("measure", one.measure, other.measure, a_as_b, b_as_a)
    mine, theirs = asdict(a), asdict(b)
    for rule in ("missing", "exclusions", "qrels"):
        if mine[rule] != theirs[rule]:
            a_otherwise, b_otherwise = one.mean(replace(a, **{rule: theirs[rule]})), other.mean(replace(b, **{rule: mine[rule]}))
            yield Effect(rule, mine[rule], theirs[rule], a_otherwise, b_otherwise)


def _changes(one: Scorer, other: Scorer, rules: Rules) -> list[QueryChange]:
    """Every query that both runs rank and that counts, in the order of the judgements."""
    first, second = one.ranking(rules), other.ranking(rules)
    values = [scorer.values(replace(rules, missing="skip")) or {} for scorer in (one, other)]
    return [
        QueryChange(query, value, values[1][query], tau_union(first.ranking(query), second.ranking(query)))
        for query, value in values[0].items()
        if query in values[1]
    ]


def _notes(runs: Mapping[str, StoredRun], judged: Judgements) -> Iterator[str]:
    for name, run in runs.items():
        if run.qrels_sha256 not in judged.sha256.values():
            yield (
                f"{name} was measured by other judgements (SHA-256 {run.qrels_sha256[:12]}) than those at hand, by which it is"
                " measured here; --qrels FILE brings its own."
            )
        if run.manifest["caveat"]:
            yield f"{name}: {run.manifest['caveat']}"


@dataclass(frozen=True)
class PaperExplanation:
    """A run beside a cell of the paper.

    Attributes:
        cell: Our value with its verdict, or the reason why there is none.
        printed_as: Table, row and column as the paper prints them.
        fields: What is known of the paper's protocol, ours (a) beside it (b).
    """

    printed_as: str
    cell: Cell
    fields: tuple[Field, ...]

    @property
    def differing(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.a != field.b)


PAPER = "paper:"
_Named = TypeVar("_Named")


def paper_cell(text: str) -> PaperCell:
    """The cell that ``paper:TABLE:ROW:COLUMN`` names: names or labels as printed; a column may be ``FIRST_STAGE/COLUMN``.

    Raises:
        UsageError: it is not of this form, or the table has no such row or column, or several.
    """
    table_id, _, rest = text.removeprefix(PAPER).partition(":")
    row_name, _, column_name = rest.rpartition(":")
    if not (table_id and row_name and column_name):
        raise UsageError(f"{text!r} names no cell of the paper.", hint="e.g. paper:1:BM25:dl19")
    numbers = load_paper()
    table = numbers.table(table_id)
    row = _found(row_name, [(r, (f"{r.system} {r.variant}".strip(), r.label, r.system)) for r in table.rows], f"row in Table {table_id}")
    columns = [(c, (c.name, c.label) if not c.first_stage else (f"{c.first_stage}/{c.name}", c.name)) for c in table.columns]
    column = _found(column_name, columns, f"column in Table {table_id}")
    return numbers.cells[table_id, row.system, row.variant, column.first_stage, column.name]


def _found(name: str, named: Sequence[tuple[_Named, tuple[str, ...]]], what: str) -> _Named:
    """The one whose first name fits, else the one that any name fits."""
    wanted = name.casefold()
    for fits in (lambda names: names[0].casefold() == wanted, lambda names: wanted in map(str.casefold, names)):
        found = [each for each, names in named if fits(names)]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(repr(names[0]) for _, names in named if fits(names))
            raise UsageError(f"{name!r} is more than one {what}: {several}.")
    raise UsageError(f"There is no {what} {name!r}. {nearest(name, [names[0] for _, names in named])}")


def explain_paper(run: StoredRun, paper: PaperCell, judged: Judgements) -> PaperExplanation:
    """Compare a run with what is known of a cell's protocol: system and its options, lists, measure, exclusions, queries."""
    rules = rules_of(run, judged, run.measure)
    values = Scorer(run, judged, run.measure).values(rules)
    fields = tuple(_paper_fields(run, paper, len(values or ())))
    row = next(r for r in load_paper().rows(paper.table) if (r.system, r.variant) == (paper.system, paper.variant))
    column = next(c for c in load_paper().columns(paper.table) if (c.first_stage, c.name) == (paper.first_stage, paper.column))
    label = f"Table {paper.table}, {row.label}, {f'{column.first_stage} ' if column.first_stage else ''}{column.label}"
    return PaperExplanation(label, _cell(run, paper, values, fields), fields)


def _paper_fields(run: StoredRun, paper: PaperCell, queries: int) -> Iterator[Field]:
    identity, catalog = run.manifest["identity"], load_catalog()
    table = load_paper().table(paper.table)
    row = next(r for r in table.rows if (r.system, r.variant) == (paper.system, paper.variant))
    yield Field("system", "ranking", run.system, row.system_of_ours)
    yield Field("benchmark.name", "ranking", run.benchmark, paper.column)
    first_stage = paper.first_stage or table.first_stage
    if first_stage:
        yield Field("candidates.first_stage", "ranking", identity["candidates"]["first_stage"], first_stage)
    yield Field("candidates.depth", "ranking", identity["candidates"]["depth"], PAPER_DEPTH)
    known, system = load_systems().get(row.system_of_ours), run.manifest["system"]
    if known is not None:
        own = {key: value for key, value in known.ranker.as_data().items() if key not in known.ranker.options.NEUTRAL}
        # An option that a manifest does not tell is younger than its run.
        yield from (Field(f"ranker.{key}", "ranking", system["ranker"][key], own[key]) for key in own if key in system["ranker"])
    model = getattr(known.engine.options, "model", "") if known and known.engine else ""
    if model:
        engine = system.get("engine") or {}
        ours = str(engine.get("model", ABSENT))
        # A folder is taken for a copy of the named model: weights are not compared by name.
        yield Field("engine.model", "ranking", model if Path(ours).is_dir() else ours, model)
    yield Field("measures.names", "measurement", run.measure, paper.measure)
    entry = catalog.benchmarks.get(paper.column)
    if entry is not None and entry.exclusions and run.may_hold_excluded:
        yield Field("measures.exclusions", "measurement", run.exclusions, "after")
    if entry is not None and entry.counts.judged_queries is not None:
        yield Field("queries counted", "measurement", queries, entry.counts.judged_queries)


def _cell(run: StoredRun, paper: PaperCell, values: Mapping[str, float] | None, fields: Sequence[Field]) -> Cell:
    different = [f"{field.name}: {field.a}, by the paper {field.b}" for field in fields if field.a != field.b]
    empty = Cell(run.system, paper.column, Status.MISSING, reason="A judged query has no ranking.", limit=run.limit)
    if not values:
        return empty.judged(paper)
    found = list(values.values())
    done = replace(
        empty,
        status=Status.DONE,
        reason="",
        value=mean(found),
        interval=bootstrap_interval(found),
        missing_rule=run.manifest["measures"]["missing"],
        deterministic=run.manifest["identity"]["ranker"]["kind"] == "identity",
        caveat=run.manifest["caveat"],
        not_judged="; ".join(different),
    )
    known = load_systems().get(run.system)
    return done.judged(paper, floor_of(known.weights.status) if known else 0.0)
