"""Comparisons of systems: small ones by hand, real ones against scipy."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from rerankbench.errors import ConfigError, MeasureError
from rerankbench.measures.compare import Comparison, Placed, compare, side_by_side
from rerankbench.records import Qrels, Ranking
from rerankbench.trec import Run, read_qrels, read_run

# One relevant document a query; P@1 is 1 where it comes first.
QUERIES = [f"q{n}" for n in range(12)]
QRELS: Qrels = {query: {"x": 1, "y": 0} for query in QUERIES}


def _run(right: int, queries: list[str] = QUERIES) -> Run:
    """The relevant document first in the first `right` queries, second elsewhere."""
    return Run.of(Ranking(query, ("x", "y") if n < right else ("y", "x")) for n, query in enumerate(queries))


def test_a_comparison_counts_what_a_hand_would_count() -> None:
    found = compare({"low": _run(2), "same": _run(2), "high": _run(10)}, QRELS, "P@1")
    assert [s.name for s in found.systems] == ["low", "same", "high"]
    assert [s.mean for s in found.systems] == pytest.approx([2 / 12, 2 / 12, 10 / 12])
    # low-high and same-high: 8 queries of +1, so 2 of 2**8 patterns are as extreme; times 3 and 2, and the second not below the first.
    same, high, same_high = found.pairs
    assert (high.a, high.b, high.wins, high.ties, high.losses) == ("low", "high", 8, 4, 0)
    assert high.randomisation.p == 2 / 256
    assert high.p_holm == same_high.p_holm == pytest.approx(6 / 256)
    assert same.p_holm == 1.0
    assert (same.t_test, same.t_p_holm, same.cohens_d) == (None, None, None)
    # Differences: eight 1 and four 0: mean 2/3, variance (8 × 1/9 + 4 × 4/9) / 11 = 8/33.
    assert high.cohens_d == pytest.approx(2 / 3 / (8 / 33) ** 0.5)
    assert high.difference == pytest.approx(2 / 3)
    assert high.interval[0] < 2 / 3 < high.interval[1]
    assert [(s.letter, s.better_than) for s in found.systems] == [("a", ()), ("b", ()), ("c", ("a", "b"))]
    assert found.systems[2].superscript == "ab"
    assert (same.same_orders, high.same_orders) == (12, 4)


def test_the_reference_comes_first_and_the_worse_system_gets_no_letter() -> None:
    runs = {"low": _run(2), "high": _run(10)}
    found = compare(runs, QRELS, "P@1", reference="high")
    assert [(s.name, s.letter, s.better_than) for s in found.systems] == [("high", "a", ("b",)), ("low", "b", ())]
    (pair,) = found.against_reference
    assert pair.difference == pytest.approx(-2 / 3)
    assert (pair.wins, pair.losses) == (0, 8)
    assert compare(runs, QRELS, "P@1", alpha=0.001).systems[1].better_than == ()


def test_letters_run_on_behind_z() -> None:
    found = compare({f"s{n}": _run(2 if n else 12) for n in range(29)}, QRELS, "P@1", alpha=0.99)
    assert [found.systems[n].letter for n in (0, 25, 26, 27, 28)] == ["a", "z", "aa", "ab", "ac"]
    assert found.systems[0].superscript.endswith(",z,aa,ab,ac")


def test_a_family_too_large_for_its_draws_can_find_nothing() -> None:
    found = compare({f"s{n}": _run(n) for n in range(4)}, QRELS, "P@1")
    assert found.lowest_p == 1.0  # s0 and s3 differ on 3 queries: 2/8, and six pairs
    many = {"all": _run(0), "none": _run(12)}
    assert compare(many, QRELS, "P@1", permutations=9).lowest_p == 1 / 10


def test_missing_queries_count_as_was_said() -> None:
    runs = {"whole": _run(6), "part": _run(6, QUERIES[:9])}
    with pytest.raises(MeasureError, match="3 in whole alone"):
        compare(runs, QRELS, "P@1")
    skipped = compare(runs, QRELS, "P@1", missing="skip")
    assert len(skipped.queries) == 9
    assert [s.mean for s in skipped.systems] == pytest.approx([6 / 9, 6 / 9])
    assert skipped.systems[1].missing == ("q9", "q10", "q11")
    zero = compare({"part": _run(6, QUERIES[:9]), "whole": _run(12)}, QRELS, "P@1", missing="zero")
    assert [s.mean for s in zero.systems] == pytest.approx([6 / 12, 1.0])
    assert (zero.pairs[0].wins, zero.pairs[0].ties) == (6, 6)


def test_the_queries_that_differ_most_come_first_and_equal_ones_not_at_all() -> None:
    found = compare({"low": _run(2), "high": _run(4)}, QRELS, "P@1")
    differing = found.most_different(found.pairs[0], 10)
    assert [(d.query_id, d.a, d.b, d.difference) for d in differing] == [("q2", 0.0, 1.0, 1.0), ("q3", 0.0, 1.0, 1.0)]
    assert len(found.most_different(found.pairs[0], 1)) == 1


def test_rankings_stand_side_by_side_with_grades_and_the_other_rank() -> None:
    a, b = Run.of([Ranking("q", ("x", "y", "z"))]), Run.of([Ranking("q", ("w", "x"))])
    rows = side_by_side(a, b, {"x": 2, "y": 0}, "q")
    assert rows == [
        (Placed("x", 2, 2), Placed("w", None, None)),
        (Placed("y", 0, None), Placed("x", 2, 1)),
        (Placed("z", None, None), None),
    ]
    assert side_by_side(a, b, {}, "q", depth=1) == [(Placed("x", None, 2), Placed("w", None, None))]
    assert side_by_side(a, b, {}, "of neither") == []


def test_what_cannot_be_compared_says_why() -> None:
    runs = {"a": _run(1), "b": _run(2)}
    with pytest.raises(MeasureError, match="at least two runs, got 1"):
        compare({"a": _run(1)}, QRELS)
    with pytest.raises(MeasureError, match="'c' is none of the runs a, b"):
        compare(runs, QRELS, reference="c")
    with pytest.raises(MeasureError, match="alpha"):
        compare(runs, QRELS, alpha=1.0)
    with pytest.raises(ConfigError, match="no measure"):
        compare(runs, QRELS, "nDGC@10")


@pytest.fixture(scope="module")
def dl19(data_dir: Path) -> Comparison:
    folder = data_dir / "runs" / "rank_llm"
    files = {"bm25": folder / "BM25.trec_results_dl19.txt", "vicuna": folder / "reranked" / "rankvicuna.bm25.dl19.txt"}
    files |= {f"repeat{n}": folder / "reranked" / f"rankgpt-3.5.bm25.dl19.repeat{n}.txt" for n in range(1, 6)}
    files["noop"] = folder / "reranked" / "vicuna-7b-noop.bm25.dl19.txt"
    runs = {name: read_run(path) for name, path in files.items()}
    return compare(runs, read_qrels(data_dir / "topics_and_qrels" / "qrels.dl19-passage.txt"))


def test_real_t_tests_are_scipys(dl19: Comparison) -> None:
    columns = {s.name: np.asarray(list(s.values.values())) for s in dl19.systems}
    tested = 0
    for pair in dl19.pairs:
        if {pair.a, pair.b} != {"bm25", "noop"}:
            theirs = stats.ttest_rel(columns[pair.b], columns[pair.a])
            assert pair.t_test is not None
            assert (pair.t_test.t, pair.t_test.p) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-6)
            tested += 1
    assert tested == 27


def test_real_corrections_are_holms_by_definition(dl19: Comparison) -> None:
    ordered = sorted(dl19.pairs, key=lambda pair: pair.randomisation.p)
    for rank, pair in enumerate(ordered):
        assert pair.p_holm == max(min(1.0, (28 - r) * p.randomisation.p) for r, p in enumerate(ordered[: rank + 1]))


def test_rerankers_are_better_than_bm25_and_repeats_of_one_command_differ_by_chance(dl19: Comparison) -> None:
    by_name = {system.name: system for system in dl19.systems}
    repeats = [f"repeat{n}" for n in range(1, 6)]
    means = [round(100 * by_name[name].mean, 2) for name in repeats]
    assert (min(means), max(means)) == (67.37, 69.38)  # the spread that the data's description gives
    assert round(100 * by_name["vicuna"].mean, 2) == 66.82  # as published
    bm25, noop = by_name["bm25"].letter, by_name["noop"].letter
    for name in ("vicuna", *repeats):
        assert by_name[name].better_than == (bm25, noop)
    pairs = {(pair.a, pair.b): pair for pair in dl19.pairs}
    assert not any(pairs[pair].is_significant for pair in combinations(repeats, 2))


def test_a_rerank_that_failed_shows(dl19: Comparison) -> None:
    (pair,) = (pair for pair in dl19.pairs if (pair.a, pair.b) == ("bm25", "noop"))
    # diff of the two files' columns 1 and 3: 28 of 43 queries are untouched, and the others change below rank 10 but for one.
    assert (pair.wins, pair.ties, pair.losses, pair.same_orders) == (0, 43, 0, 28)
    assert (pair.randomisation.p, pair.t_test) == (1.0, None)
