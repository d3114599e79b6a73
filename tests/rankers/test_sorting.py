"""The heap that asks: against the published algorithm, written again for one list."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.rankers.sorting import heapsort, heapsort_calls

Compare = Callable[[Sequence[int]], int]


def run(size: int, children: int, places: int, compare: Compare) -> tuple[list[int], list[tuple[tuple[int, ...], str]]]:
    """The best items, and what was asked at which step."""
    asked = []

    def choose(items: Sequence[int], step: str) -> Generator[tuple[int, ...], int, int]:
        asked.append((tuple(items), step))
        return (yield tuple(items))

    program = heapsort(size, children, places, choose)
    try:
        items = next(program)
        while True:
            items = program.send(compare(items))
    except StopIteration as end:
        return end.value, asked


def published(size: int, children: int, places: int, compare: Compare) -> tuple[list[int], list[tuple[int, ...]]]:
    """ielab/llm-rankers, setwise.py: the heap in an array whose sorted part grows from the back, the order read backwards."""
    items, asked = list(range(size)), []

    def let_down(end: int, node: int) -> None:
        below = [p for p in range(children * node + 1, children * node + children + 1) if p < end]
        if below:
            shown = [items[p] for p in [node, *below]]
            asked.append(tuple(shown))
            best = [node, *below][compare(shown)]
            if best != node:
                items[node], items[best] = items[best], items[node]
                let_down(end, best)

    for node in reversed(range(size // children + 1)):
        let_down(size, node)
    for done, end in enumerate(range(size - 1, 0, -1), start=1):
        items[0], items[end] = items[end], items[0]
        if done == places:
            break
        let_down(end, 0)
    return items[::-1][:places], asked


SIZES = st.integers(0, 60)


@given(size=SIZES, children=st.integers(1, 20), places=st.integers(1, 12), seed=st.integers(0, 1000))
def test_any_answers_lead_to_the_order_and_the_questions_of_the_published_algorithm(
    size: int, children: int, places: int, seed: int
) -> None:
    def compare(items: Sequence[int]) -> int:
        return hash((seed, *items)) % len(items)  # of integers, so it is the same in every process

    best, asked = run(size, children, places, compare)
    assert (best, [items for items, _ in asked]) == published(size, children, places, compare)
    assert len(set(best)) == len(best) == min(size, places)
    assert len(asked) <= heapsort_calls(size, children, places)


@given(st.permutations(range(30)), st.integers(1, 20), st.integers(1, 30))
def test_right_answers_give_the_best_places_in_order(grades: list[int], children: int, places: int) -> None:
    best, _ = run(30, children, places, lambda items: max(range(len(items)), key=lambda i: grades[items[i]]))
    assert [grades[i] for i in best] == list(range(29, 29 - places, -1))


@pytest.mark.parametrize(
    ("size", "children", "places", "calls"),
    [
        # Nodes 0 to 5 have children; only the root's children have children too. 5 × 1 + 2 to build, 9 × 2 to fill the other places.
        (100, 19, 10, 25),
        (20, 19, 10, 1 + 9),
        (1, 19, 10, 0),
        (0, 2, 10, 0),
        # Two items: one question, and none for the last place.
        (2, 2, 10, 1),
        # Seven nodes, three with children: 1 + 1 + 2; then heaps of 6, 5 and 4 items, two levels each.
        (7, 2, 4, 4 + 6),
    ],
)
def test_the_most_questions_are_those_of_a_full_way_down_every_time(size: int, children: int, places: int, calls: int) -> None:
    assert heapsort_calls(size, children, places) == calls


def test_a_list_in_order_is_asked_about_once_a_node_and_steps_are_named() -> None:
    best, asked = run(8, 3, 2, lambda _: 0)
    # Nodes 3, 2, 1 of 8 items with 3 children each: 2 and 1 have 7 and 4, 5, 6; then the last item, 7, is let down from the root.
    assert best == [0, 7]
    assert asked == [
        ((2, 7), "heap 3"),
        ((1, 4, 5, 6), "heap 2"),
        ((0, 1, 2, 3), "heap 1"),
        ((7, 1, 2, 3), "place 2"),
    ]


def test_the_way_down_names_the_step_that_it_belongs_to() -> None:
    # Three items below each other, each time the child is better: 1 over 2, then 0 is let down behind both.
    _, asked = run(3, 1, 1, lambda items: 1)
    assert asked == [((1, 2), "heap 2"), ((0, 2), "heap 1"), ((0, 1), "heap 1, down at 2")]
