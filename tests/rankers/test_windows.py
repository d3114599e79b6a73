"""The schedule of sliding windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.errors import ConfigError
from rerankbench.rankers.windows import windows


def test_100_documents_with_window_20_and_step_10_are_nine_windows_from_back_to_front() -> None:
    assert windows(100, 20, 10) == [(80, 100), (70, 90), (60, 80), (50, 70), (40, 60), (30, 50), (20, 40), (10, 30), (0, 20)]


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, []),
        (1, [(0, 1)]),
        (20, [(0, 20)]),
        (21, [(1, 21), (0, 11)]),
        (25, [(5, 25), (0, 15)]),
        (30, [(10, 30), (0, 20)]),
        (31, [(11, 31), (1, 21), (0, 11)]),
    ],
)
def test_the_last_window_is_clipped_at_the_front(depth: int, expected: list[tuple[int, int]]) -> None:
    assert windows(depth, 20, 10) == expected


@pytest.mark.parametrize(("window", "step"), [(20, 0), (20, -1), (20, 21), (0, 0), (0, 1), (-3, 1)])
def test_a_window_or_step_that_would_skip_documents_or_never_end_is_refused(window: int, step: int) -> None:
    with pytest.raises(ConfigError):
        windows(100, window, step)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, int, int]:
    window = draw(st.integers(1, 50))
    return draw(st.integers(0, 300)), window, draw(st.integers(1, window))


@given(shapes())
def test_the_schedule_is_the_classical_rule(shape: tuple[int, int, int]) -> None:
    depth, window, step = shape
    # Written from the rule, the other way round: the k-th window ends at depth - k * step and is `window` long, cut at the front;
    # it has a turn as long as the one before it did not reach the front.
    ends = [depth - k * step for k in range(depth) if k == 0 or depth - (k - 1) * step - window > 0]
    assert windows(depth, window, step) == [(max(e - window, 0), e) for e in ends]


@given(shapes())
def test_every_position_is_visited_and_neighbours_leave_no_gap(shape: tuple[int, int, int]) -> None:
    depth, window, step = shape
    schedule = windows(depth, window, step)
    assert {p for start, end in schedule for p in range(start, end)} == set(range(depth))
    assert all(0 < end - start <= window for start, end in schedule)
    assert [start for start, _ in schedule].count(0) == (1 if depth else 0)
