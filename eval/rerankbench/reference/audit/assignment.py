"""Which columns a row's values fit best: the permutation of least squared distance to known figures. Knows no paper.

Squares, not absolute distances: where all values lie above the known ones, the sum of absolute distances is the same for every order.
"""

from __future__ import annotations

from collections.abc import Sequence


def best_order(rows: Sequence[Sequence[float]], figures: Sequence[float], penalty: float) -> tuple[int, ...]:
    """One order for all rows (they are taken to share it).

    Args:
        rows: Values by printed position.
        figures: What is known, by column.
        penalty: What each value that leaves its column costs: the least that a move must gain, in squared points summed over the rows.

    Returns:
        For each printed position the column that its value belongs to.
    """
    size = len(figures)
    cost = [[_cost(rows, figures, p, c) + penalty * (p != c) for c in range(size)] for p in range(size)]
    # The best way to place the first positions into each set of columns (a bit a column); 2^size sets, so for a dozen columns.
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for position in range(size):
        longer: dict[int, tuple[float, tuple[int, ...]]] = {}
        for taken, (spent, order) in best.items():
            for column in range(size):
                after = taken | 1 << column
                total = spent + cost[position][column]
                if after != taken and (after not in longer or total < longer[after][0]):
                    longer[after] = (total, (*order, column))
        best = longer
    return best[(1 << size) - 1][1]


def distance(row: Sequence[float], figures: Sequence[float], order: Sequence[int]) -> float:
    """Squared distance of a row to the figures when each value stands in its column of the order."""
    return sum((value - figures[column]) ** 2 for value, column in zip(row, order, strict=True))


def cycles(order: Sequence[int]) -> list[list[int]]:
    """The positions that change places among each other, a list a group, in printed order; those that stay are left out."""
    seen: set[int] = set()
    groups = []
    for start in range(len(order)):
        group: list[int] = []
        at = start
        while at not in seen:
            seen.add(at)
            group.append(at)
            at = order[at]
        if len(group) > 1:
            groups.append(sorted(group))
    return groups


def _cost(rows: Sequence[Sequence[float]], figures: Sequence[float], position: int, column: int) -> float:
    return sum((row[position] - figures[column]) ** 2 for row in rows)
