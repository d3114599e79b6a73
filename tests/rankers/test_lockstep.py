"""Programs run side by side: each gets its own answers, and one call serves all that wait."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.errors import EngineError
from rerankbench.rankers.lockstep import Asked, advance

Sums = Generator[Sequence[int], Sequence[int], list[int]]


def asking(turns: Sequence[Sequence[int]]) -> Sums:
    """Asks for the numbers of each turn, and returns all answers."""
    got: list[int] = []
    for numbers in turns:
        got += yield numbers
    return got


class Negating:
    """Answers each number with its negative; remembers who asked for what in each call."""

    def __init__(self) -> None:
        self.calls: list[list[Asked[int]]] = []

    def __call__(self, asked: Sequence[Asked[int]]) -> list[int]:
        self.calls.append(list(asked))
        return [-number for _, number in asked]


def test_one_call_holds_what_all_programs_ask_next_and_those_that_are_done_are_left_out() -> None:
    engine = Negating()
    assert advance([asking([[1, 2], [3]]), asking([]), asking([[4]])], engine) == [[-1, -2, -3], [], [-4]]
    assert engine.calls == [[(0, 1), (0, 2), (2, 4)], [(0, 3)]]


@given(st.lists(st.lists(st.lists(st.integers(), max_size=3), max_size=4), max_size=5))
def test_every_program_gets_what_it_would_get_alone(programs: list[list[list[int]]]) -> None:
    engine = Negating()
    together = advance([asking(turns) for turns in programs], engine)
    assert together == [advance([asking(turns)], Negating())[0] for turns in programs]
    assert together == [[-number for turn in turns for number in turn] for turns in programs]
    assert all(engine.calls), "nobody is called for nothing"


def test_no_programs_are_no_work() -> None:
    engine = Negating()
    assert advance([], engine) == []
    assert engine.calls == []


@pytest.mark.parametrize("given_back", [[], [1, 2, 3]])
def test_answers_too_few_or_too_many_are_refused(given_back: list[int]) -> None:
    with pytest.raises(EngineError, match=f"asked for 2 answers and gave {len(given_back)}"):
        advance([asking([[1]]), asking([[2]])], lambda _: given_back)
