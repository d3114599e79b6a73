"""Systems against each other on the same queries: how far apart, how surely, and on which queries. Knows no file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rerankbench.errors import MeasureError
from rerankbench.measures.alignment import Missing, judged_queries, same_orders
from rerankbench.measures.interval import bootstrap_interval
from rerankbench.measures.letters import letter, superscript
from rerankbench.measures.quality import measure as measured
from rerankbench.measures.significance import RandomisationTest, TTest, holm, randomisation_tests, standard_deviation, t_test
from rerankbench.records import Qrels
from rerankbench.trec import Run

# Values of one query that differ by less are one value: sums of the same gains in another order.
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class System:
    """One of the systems compared.

    Attributes:
        letter: Stands for it in superscripts: a, b … z, aa, ab ….
        values: Query id → value of the measure, the counted queries in their order.
        better_than: Letters of the systems that it is significantly better than.
        missing: Judged queries that it has no ranking of.
    """

    name: str
    letter: str
    mean: float
    values: Mapping[str, float]
    better_than: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def superscript(self) -> str:
        """What stands behind its value in a table: ``"ac"``, or ``"a,ab"`` where letters run double."""
        return superscript(self.better_than)


@dataclass(frozen=True, slots=True)
class Pair:
    """System `b` measured against system `a`, which comes before it.

    Attributes:
        difference: Mean of b minus mean of a.
        interval: 95 % bootstrap interval of that difference.
        cohens_d: Mean difference over the differences' standard deviation (d_z); None where they do not vary.
        wins, ties, losses: Queries where b's value is above, equal to, below a's.
        p_holm, t_p_holm: Adjusted over all pairs of the comparison; a t-test that is not defined enters that family with 1.
        is_significant: By the randomisation test, after Holm's correction.
        same_orders: Queries of which both have the same documents in the same order.
    """

    a: str
    b: str
    difference: float
    interval: tuple[float, float]
    cohens_d: float | None
    wins: int
    ties: int
    losses: int
    randomisation: RandomisationTest
    p_holm: float
    t_test: TTest | None
    t_p_holm: float | None
    is_significant: bool
    same_orders: int


@dataclass(frozen=True, slots=True)
class QueryDifference:
    query_id: str
    a: float
    b: float

    @property
    def difference(self) -> float:
        """Value of b minus value of a."""
        return self.b - self.a


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every two systems, compared on the same queries.

    Attributes:
        queries: Those that count, in the order of the qrels.
        systems: The reference, then the others in the order given.
        pairs: In the order of `systems`.
    """

    measure: str
    queries: tuple[str, ...]
    alpha: float
    systems: tuple[System, ...]
    pairs: tuple[Pair, ...]

    @property
    def reference(self) -> System:
        """The system that the others are shown against."""
        return self.systems[0]

    @property
    def against_reference(self) -> tuple[Pair, ...]:
        """The pairs whose `a` is the reference."""
        return tuple(pair for pair in self.pairs if pair.a == self.reference.name)

    @property
    def lowest_p(self) -> float:
        """The smallest corrected p that these tests can give: above alpha, nothing could be significant."""
        return min(1.0, len(self.pairs) * min(pair.randomisation.lowest for pair in self.pairs))

    def most_different(self, pair: Pair, count: int) -> list[QueryDifference]:
        """The queries of a pair with the largest differences, largest first; equal ones in the order of the queries."""
        a, b = (next(s for s in self.systems if s.name == name).values for name in (pair.a, pair.b))
        found = [QueryDifference(query, a[query], b[query]) for query in self.queries]
        return sorted((each for each in found if abs(each.difference) > _TIE), key=lambda each: -abs(each.difference))[:count]


@dataclass(frozen=True, slots=True)
class Placed:
    """One document of a ranking.

    Attributes:
        grade: None where it is not judged.
        other_rank: Its rank, from 1, in the other ranking; None where that one lacks it.
    """

    doc_id: str
    grade: int | None
    other_rank: int | None


def compare(
    runs: Mapping[str, Run],
    qrels: Qrels,
    measure: str = "nDCG@10",
    *,
    reference: str | None = None,
    alpha: float = 0.05,
    missing: Missing = "error",
    permutations: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare every two of at least two runs.

    Args:
        runs: Name → run.
        measure: As ir_measures writes it.
        reference: A name of `runs`; the first by default.
        missing: Of a judged query that a run lacks: refuse, count 0 there, or leave the query out of every run.

    Raises:
        ConfigError: the measure is unknown.
        MeasureError: there are fewer than two runs, an argument is out of its range, or queries do not fit together.
        MissingExtra: scipy is not installed.
    """
    _check(runs, reference, alpha)
    names = sorted(runs, key=lambda name: name != (reference or next(iter(runs))))  # stable: the others keep their order
    queries = judged_queries(runs, qrels, missing)
    counted = {query: qrels[query] for query in queries}
    results = {name: measured(runs[name], counted, [measure], missing=missing) for name in names}
    (printed,) = results[names[0]].means
    values = {name: results[name].values(printed) for name in names}
    pairs = _pairs({name: runs[name] for name in names}, values, alpha, permutations, seed)
    letters = {name: letter(position) for position, name in enumerate(names)}
    systems = (
        System(
            name=name,
            letter=letters[name],
            mean=results[name].means[printed],
            values=values[name],
            better_than=tuple(letters[other] for other in names if _is_better(pairs, name, other)),
            missing=tuple(query for query in qrels if query not in runs[name]),
        )
        for name in names
    )
    return Comparison(printed, queries, alpha, tuple(systems), tuple(pairs))


def side_by_side(a: Run, b: Run, judged: Mapping[str, int], query_id: str, depth: int = 10) -> list[tuple[Placed | None, Placed | None]]:
    """The first ranks of both rankings of one query; None where a ranking has ended, or does not exist."""
    rankings = [run.ranking(query_id) if query_id in run else () for run in (a, b)]
    ranks = [{doc_id: rank for rank, doc_id in enumerate(ranking, start=1)} for ranking in rankings]

    def placed(side: int, position: int) -> Placed | None:
        if position >= len(rankings[side]):
            return None
        doc_id = rankings[side][position]
        return Placed(doc_id, judged.get(doc_id), ranks[1 - side].get(doc_id))

    return [(placed(0, p), placed(1, p)) for p in range(min(depth, max(map(len, rankings))))]


def _check(runs: Mapping[str, Run], reference: str | None, alpha: float) -> None:
    if len(runs) < 2:
        raise MeasureError(f"A comparison needs at least two runs, got {len(runs)}.")
    if reference is not None and reference not in runs:
        raise MeasureError(f"The reference {reference!r} is none of the runs {', '.join(runs)}.")
    if not 0 < alpha < 1:
        raise MeasureError(f"alpha lies between 0 and 1, got {alpha}.")


def _pairs(runs: Mapping[str, Run], values: Mapping[str, Mapping[str, float]], alpha: float, permutations: int, seed: int) -> list[Pair]:
    named = list(combinations(runs, 2))
    columns = {name: np.asarray(list(of.values()), dtype=np.float64) for name, of in values.items()}
    differences = np.stack([columns[b] - columns[a] for a, b in named])
    differences[np.abs(differences) <= _TIE] = 0.0
    drawn = randomisation_tests(differences, permutations=permutations, seed=seed)
    students = [t_test(row.tolist()) for row in differences]
    adjusted = holm([test.p for test in drawn])
    t_adjusted = holm([1.0 if test is None else test.p for test in students])
    return [
        Pair(
            a=a,
            b=b,
            difference=math.fsum(row) / len(row),
            interval=bootstrap_interval(row.tolist(), seed=seed),
            cohens_d=_cohens_d(row.tolist()),
            wins=int((row > 0).sum()),
            ties=int((row == 0).sum()),
            losses=int((row < 0).sum()),
            randomisation=test,
            p_holm=p,
            t_test=student,
            t_p_holm=None if student is None else t_p,
            is_significant=p <= alpha,
            same_orders=same_orders(runs[a], runs[b], values[a]),
        )
        for (a, b), row, test, p, student, t_p in zip(named, differences, drawn, adjusted, students, t_adjusted, strict=True)
    ]


def _cohens_d(differences: Sequence[float]) -> float | None:
    spread = standard_deviation(differences)
    return math.fsum(differences) / len(differences) / spread if spread else None


def _is_better(pairs: Sequence[Pair], name: str, other: str) -> bool:
    for pair in pairs:
        if {pair.a, pair.b} == {name, other}:
            return pair.is_significant and (pair.difference > 0) == (pair.b == name)
    return False
