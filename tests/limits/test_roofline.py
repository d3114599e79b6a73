"""Rooflines by hand: what is limited by products, by transfers, and by both in turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limit_runs import peaks
from rerankbench.limits import Limit, Phase, Work, limit_of, phases_of

RATES = peaks(flops_per_s=100.0, bytes_per_s=10.0)
COMPUTE = Work(linear=500, weight_bytes=20)  # 5 s by products, 2 s by transfers
MEMORY = Work(head=100, cache_bytes=70)  # 1 s by products, 7 s by transfers


@pytest.mark.parametrize(
    ("pieces", "compute_s", "memory_s", "bound"),
    [
        ([], 0.0, 0.0, ""),
        ([Work()], 0.0, 0.0, ""),
        ([COMPUTE], 5.0, 0.0, "compute"),
        ([MEMORY], 0.0, 7.0, "memory"),
        # One after the other: 5 + 7, not the larger of 6 s of products and 9 s of transfers.
        ([COMPUTE, MEMORY], 5.0, 7.0, "both"),
        ([Work(linear=1000, vector_bytes=100)], 10.0, 0.0, "compute"),  # both take 10 s
        # 500 + 7 s: a hundredth would be 5.07.
        ([*[COMPUTE] * 100, MEMORY], 500.0, 7.0, "both"),
        ([*[COMPUTE] * 200, MEMORY], 1000.0, 7.0, "compute"),
        ([COMPUTE, *[MEMORY] * 100], 5.0, 700.0, "memory"),
    ],
)
def test_each_piece_takes_the_longer_of_its_two_times(pieces: list[Work], compute_s: float, memory_s: float, bound: str) -> None:
    found = limit_of(pieces, RATES)
    assert found == Limit(pytest.approx(compute_s), pytest.approx(memory_s))  # type: ignore[arg-type]
    assert found.seconds == pytest.approx(compute_s + memory_s)
    assert found.bound == bound


def test_operations_that_are_no_products_do_not_count() -> None:
    assert limit_of([Work(norms=10**9)], RATES).seconds == 0


WORKS = st.lists(st.builds(Work, linear=st.integers(0, 10**15), head=st.integers(0, 10**12), weight_bytes=st.integers(0, 10**12)))


@given(WORKS)
def test_pieces_in_turn_never_take_less_than_all_in_one(works: list[Work]) -> None:
    together = max(sum(w.flops for w in works) / 100, sum(w.bytes for w in works) / 10)
    assert limit_of(works, RATES).seconds >= together * (1 - 1e-12)


def _phases(parts_s: dict[str, float]) -> list[Phase]:
    pieces = {"encode": {"encode": [COMPUTE, COMPUTE]}, "generate": {"read": [COMPUTE], "write": [MEMORY, MEMORY]}}
    measured = {"render": 2.0, "encode": 25.0, "generate": 38.0, "overall": 70.0}
    return phases_of(pieces, measured, 2, RATES, parts_s)


def test_phases_are_means_over_queries_with_what_lies_between_them() -> None:
    rows = [(p.name, p.part, p.limit_s, p.measured_s, p.gap_s, p.bound) for p in _phases({})]
    assert rows == [
        ("render", False, 0.0, 1.0, 1.0, ""),
        ("encode", False, 5.0, 12.5, 7.5, "compute"),  # 2 x 5 s, of two queries
        ("generate", False, 9.5, 19.0, 9.5, "both"),  # (5 + 2 x 7) / 2
        ("read", True, 2.5, None, None, "compute"),
        ("write", True, 7.0, None, None, "memory"),
        ("the rest", False, 0.0, 2.5, 2.5, ""),  # (70 - 2 - 25 - 38) / 2
        ("overall", False, 14.5, 35.0, 20.5, "both"),
    ]
    shares = {p.name: p.share for p in _phases({})}
    assert shares == {
        "render": None,
        "encode": 0.4,
        "generate": 0.5,
        "read": None,
        "write": None,
        "the rest": None,
        "overall": pytest.approx(14.5 / 35),
    }


def test_parts_that_were_timed_have_seconds_and_stay_parts() -> None:
    found = {p.name: p for p in _phases({"read": 10.0, "write": 28.0})}
    assert (found["read"].measured_s, found["read"].share, found["read"].part) == (5.0, 0.5, True)
    assert (found["write"].measured_s, found["write"].share, found["write"].part) == (14.0, 0.5, True)
    assert not found["generate"].part
    assert found["overall"].measured_s == 35.0  # what a part took is in its phase already
