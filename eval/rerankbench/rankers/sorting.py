"""Sorting by asking: a heap of any width whose comparisons somebody else answers. Knows no document and no model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

Asked = TypeVar("Asked")
Told = TypeVar("Told")

Choice = Callable[[Sequence[int], str], Generator[Asked, Told, int]]
"""Which of these items is best, and at which step it is asked: yields what has to be asked, returns an index into the items."""


def heapsort(size: int, children: int, places: int, choose: Choice[Asked, Told]) -> Generator[Asked, Told, list[int]]:
    """The best `places` of the items 0 … `size` - 1, best first, by a heap in which every node has up to `children` children.

    A node is compared with all its children at once, and changes places with the best of them until it is the best itself. The heap is
    built from its last node with children to its root; then the root is taken, the heap's last item put in its place and let down.

    Source: ielab/llm-rankers, llmrankers/setwise.py, `heapify` and `heapSort` (children 2: pairwise.py).

    Args:
        choose: The items of a node and its children, the node first. Its step is ``heap 3`` for the third node while the heap is built,
            ``place 2`` for the root while the second place is filled, and ``place 2, down at 4`` for the nodes below.
    """
    heap = list(range(size))
    for node in range(size // children, -1, -1):
        yield from _sift(heap, node, children, f"heap {node + 1}", choose)
    best: list[int] = []
    while heap and len(best) < places:
        if best:
            yield from _sift(heap, 0, children, f"place {len(best) + 1}", choose)
        best.append(heap[0])
        heap[0] = heap[-1]
        heap.pop()
    return best


def _sift(heap: list[int], node: int, children: int, step: str, choose: Choice[Asked, Told]) -> Generator[Asked, Told, None]:
    """Let the item at `node` down to where none of its children is better."""
    below = ""
    while (first := children * node + 1) < len(heap):
        places = [node, *range(first, min(first + children, len(heap)))]
        chosen = places[(yield from choose([heap[p] for p in places], below or step))]
        if chosen == node:
            return
        heap[node], heap[chosen] = heap[chosen], heap[node]
        node, below = chosen, f"{step}, down at {chosen + 1}"


def heapsort_calls(size: int, children: int, places: int) -> int:
    """How often `heapsort` asks at most."""
    if size < 2:
        return 0
    parents = range((size - 2) // children, -1, -1)
    taken = min(places, size) - 1
    return sum(_levels(size, node, children) for node in parents) + sum(_levels(size - i, 0, children) for i in range(1, taken + 1))


def _levels(size: int, node: int, children: int) -> int:
    """Nodes with children on the longest way down from `node`: always the way of first children."""
    levels = 0
    while (node := children * node + 1) < size:
        levels += 1
    return levels
