"""Tests of paired differences, held to scipy's, ranx's and to counting by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from rerankbench.errors import MeasureError, MissingExtra
from rerankbench.measures import significance
from rerankbench.measures.significance import holm, randomisation_tests, standard_deviation, t_test
from rerankbench.protocols import Doubles


def _one(differences: list[float], **options: int) -> significance.RandomisationTest:
    (found,) = randomisation_tests(np.asarray([differences]), **options)
    return found


def _scipy_p(a: Doubles, b: Doubles, resamples: int) -> float:
    def mean_difference(x: Doubles, y: Doubles, axis: int) -> Doubles:
        found: Doubles = np.mean(x - y, axis=axis)
        return found

    found = stats.permutation_test(
        (a, b), mean_difference, permutation_type="samples", vectorized=True, n_resamples=resamples, rng=np.random.default_rng(5)
    )
    return float(found.pvalue)


def test_all_swaps_of_a_few_queries_are_counted() -> None:
    # Signs of 1, 2, 4: |sum| is 7 for two of the eight patterns, 5 for two, 3 for two, 1 for two. Observed: 1 + 2 + 4 and -1 + 2 + 4.
    assert _one([1.0, 2.0, 4.0]) == significance.RandomisationTest(2 / 8, is_exact=True, lowest=2 / 8)
    assert _one([-1.0, 2.0, 4.0]).p == 4 / 8
    assert _one([-1.0, 2.0, 4.0, 0.0]).p == 4 / 8  # a query without a difference says nothing


def test_rounding_does_not_part_equal_sums() -> None:
    # 0.1 + 0.2 - 0.3 is 5.6e-17 and 0.3 - 0.1 - 0.2 is -2.8e-17: every pattern is at least as far from 0 as 0 itself.
    assert _one([0.1, 0.2, -0.3]).p == 1.0


@pytest.mark.parametrize("queries", [1, 2, 5, 9, 13])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_exact_test_gives_scipys_p(queries: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    a, b = generator.random((2, queries)).round(2)
    found = _one((b - a).tolist())
    assert found.is_exact
    if queries == 1:
        assert found.p == 1.0  # scipy cannot swap a single pair; both patterns are as extreme
    else:
        assert found.p == pytest.approx(_scipy_p(a, b, 10_000), abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.04])
def test_the_drawn_test_gives_scipys_p_but_for_the_draw(shift: float) -> None:
    generator = np.random.default_rng(3)
    a = generator.random(43)
    b = a + generator.normal(shift, 0.1, 43)
    found = _one((b - a).tolist())
    assert not found.is_exact
    # Two estimates of 10,000 draws each: a standard error of at most 0.007 together.
    assert found.p == pytest.approx(_scipy_p(a, b, 9_999), abs=0.025)


def test_ranx_finds_the_same() -> None:
    fisher = pytest.importorskip("ranx.statistical_tests.fisher_randomization_test").fisher_randomization_test
    student = pytest.importorskip("ranx.statistical_tests.paired_student_t_test").paired_student_t_test
    generator = np.random.default_rng(4)
    a = generator.random(43)
    b = a + generator.normal(0.02, 0.1, 43)
    assert _one((b - a).tolist()).p == pytest.approx(fisher(a, b, n_permutations=10_000)[0], abs=0.025)
    ours = t_test((b - a).tolist())
    assert ours is not None
    assert ours.p == pytest.approx(student(a, b)[0], rel=1e-9)


def test_a_drawn_p_is_never_zero() -> None:
    found = _one([1.0] * 60, permutations=99)
    assert found == significance.RandomisationTest(1 / 100, is_exact=False, lowest=1 / 100)


def test_a_pairs_p_depends_on_nothing_else_that_is_compared() -> None:
    rows = np.random.default_rng(6).normal(0.1, 1.0, (3, 30))
    together = randomisation_tests(rows, permutations=500)
    assert [_one(row.tolist(), permutations=500) for row in rows] == together
    assert randomisation_tests(-rows, permutations=500) == together
    assert randomisation_tests(rows, permutations=500, seed=1) != together


def test_p_does_not_depend_on_how_many_signs_are_drawn_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(8).normal(0.2, 1.0, 25).tolist()
    at_once = _one(differences, permutations=1000)
    monkeypatch.setattr(significance, "_DRAWN", 60)
    assert _one(differences, permutations=1000) == at_once


@pytest.mark.parametrize("differences", [np.zeros((1, 0)), np.array([[np.nan]]), np.zeros(3)])
def test_what_cannot_be_tested_is_refused(differences: Doubles) -> None:
    with pytest.raises(MeasureError):
        randomisation_tests(differences)


@pytest.mark.parametrize("queries", [2, 3, 43, 500])
def test_the_t_test_is_scipys(queries: int) -> None:
    a, b = np.random.default_rng(queries).random((2, queries))
    theirs = stats.ttest_rel(b, a)
    ours = t_test((b - a).tolist())
    assert ours is not None
    assert (ours.t, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)


@pytest.mark.parametrize("differences", [[0.5], [0.0, 0.0], [0.25, 0.25], [0.4 - 0.3, 0.3 - 0.2, 0.1]])
def test_without_spread_there_is_no_t(differences: list[float]) -> None:
    assert t_test(differences) is None
    assert standard_deviation(differences) == 0.0


def test_a_missing_scipy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(MissingExtra) as refused:
        t_test([0.1, 0.2])
    assert refused.value.hint == "pip install 'rerankbench[statistics]'"


def test_holm_steps_down() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, and none may fall below the one before it.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    for before, after in zip(p_values, holm(p_values), strict=True):
        assert before <= after <= 1.0
    smallest = min(range(len(p_values)), key=p_values.__getitem__)
    assert holm(p_values)[smallest] == min(1.0, len(p_values) * p_values[smallest])
