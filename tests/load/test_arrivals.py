"""When queries come is drawn once, by the seed, and depends on no system."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.virtual import QUERIES, constant, served
from rerankbench.errors import UsageError
from rerankbench.load.arrivals import schedule
from rerankbench.load.settings import Settings

SETTINGS = Settings(rates=(2.0,), arrivals=1000, warmup=10)


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_others() -> None:
    assert schedule(2.0, QUERIES, SETTINGS) == schedule(2.0, QUERIES, SETTINGS)
    assert schedule(2.0, QUERIES, SETTINGS) != schedule(2.0, QUERIES, replace(SETTINGS, seed=1))


def test_the_pattern_is_that_of_every_system_and_every_rate() -> None:
    slow, fast = (served(2.0, constant(s), replace(SETTINGS, drain_s=1e6)) for s in (5.0, 0.01))
    assert [s.arrival for s in slow] == [s.arrival for s in fast]
    at_2, at_8 = (np.array([a.due_s for a in schedule(rate, QUERIES, SETTINGS)]) for rate in (2.0, 8.0))
    assert at_8 == pytest.approx(at_2 / 4)


def test_drawn_gaps_are_exponential() -> None:
    settings = replace(SETTINGS, arrivals=20_000)
    gaps = np.diff([a.due_s for a in schedule(2.0, QUERIES, settings)])
    # Of an exponential with mean 1/2: standard deviation 1/2, and e^-1 of the gaps exceed the mean; both to within 4 standard errors.
    assert gaps.std() == pytest.approx(0.5, abs=4 * 0.5 * (2 / 20_000) ** 0.5)
    assert (gaps > 0.5).mean() == pytest.approx(np.exp(-1), abs=4 * (0.37 * 0.63 / 20_000) ** 0.5)


@given(st.integers(2, 50), st.integers(0, 5), st.floats(0.01, 1000), st.sampled_from(["poisson", "constant"]), st.integers(0, 2**32))
def test_what_counts_comes_at_the_rate_itself(arrivals: int, warmup: int, rate: float, pattern: str, seed: int) -> None:
    settings = Settings(rates=(rate,), arrivals=arrivals, warmup=warmup, pattern=pattern, seed=seed)  # type: ignore[arg-type]  # sampled
    due = schedule(rate, QUERIES, settings)
    assert [a.number for a in due] == list(range(arrivals + warmup))
    assert [a.warmup for a in due] == [True] * warmup + [False] * arrivals
    assert [a.query_id for a in due] == list(itertools.islice(itertools.cycle(QUERIES), arrivals + warmup))
    assert all(a.due_s < b.due_s for a, b in itertools.pairwise(due))
    counted = [a.due_s for a in due if not a.warmup]
    assert (arrivals - 1) / (counted[-1] - counted[0]) == pytest.approx(rate)


def test_seconds_end_it_earlier() -> None:
    settings = replace(SETTINGS, pattern="constant", seconds=3.0)
    assert [a.due_s for a in schedule(2.0, QUERIES, settings)] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert all(a.warmup for a in schedule(2.0, QUERIES, settings))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rates": ()}, "no rate to try"),
        ({"rates": (1.0, 0.0)}, "--rates: expected numbers above 0, got 0"),
        ({"rates": (1.0, 1.0)}, "names a rate twice"),
        ({"seconds": float("nan")}, "--seconds"),
        ({"target_s": 20.0, "drain_s": 10.0}, "--drain is 10 s, less than --p99-target, 20 s"),
    ],
)
def test_settings_that_lead_nowhere_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replace(SETTINGS, **wrong)  # type: ignore[arg-type]  # as above
