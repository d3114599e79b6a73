"""Where names stand beside marks without covering each other. Pure geometry, in points; knows no drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

DISTANCES = (1.5, 5.0, 11.0, 18.0, 26.0, 36.0, 48.0)
"""Between a mark's edge and its name; from the third on a line leads from one to the other."""
NEAR = 5.0
DIRECTIONS = (0, 4, 2, 6, 1, 3, 7, 5)
"""Eighths of a circle, the best first: right, left, above, below, then between them."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; `left` < `right`, `bottom` < `top`."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    def outside(self, other: Box) -> float:
        """The area of this one that the other does not cover."""
        return (self.right - self.left) * (self.top - self.bottom) - self.meets(other)


def place_beside(
    marks: Sequence[Point], sizes: Sequence[Point], within: Box, others: Sequence[Box], half: float
) -> list[tuple[float, float, bool]]:
    """A place for the name of every mark, one after the other: the nearest that covers no mark, no name, and nothing else.

    Where none is free, the one that covers least.

    Args:
        marks: Middles.
        sizes: Width and height of their names.
        within: What no name may leave.
        others: What else should not be covered.
        half: Half the room of a mark.

    Returns:
        The lower left corner of each name as seen from its mark, and whether it is so far off that a line should lead to it.
    """
    taken = [Box(x - half, y - half, x + half, y + half) for x, y in marks]
    placed: list[tuple[float, float, bool]] = []
    for (x, y), (width, height) in zip(marks, sizes, strict=True):
        best = min(_places(x, y, width, height, half), key=lambda place: _cost(place[0], place[1], taken, within, others))
        box, distance = best
        taken.append(box)
        placed.append((box.left - x, box.bottom - y, distance > NEAR))
    return placed


def _places(x: float, y: float, width: float, height: float, half: float) -> Iterator[tuple[Box, float]]:
    """Every place of a name, and how far off it is."""
    for distance in DISTANCES:
        for eighth in DIRECTIONS:
            across, up = (round(turn(eighth * pi / 4), 9) for turn in (cos, sin))
            reach = half + distance
            # The name's edge that faces the mark lies in that direction; a name above or below is centred.
            left = x + across * reach - (0.0 if across > 0.1 else width if across < -0.1 else width / 2)
            bottom = y + up * reach - (0.0 if up > 0.1 else height if up < -0.1 else height / 2)
            yield Box(left, bottom, left + width, bottom + height), distance


def _cost(box: Box, distance: float, taken: Sequence[Box], within: Box, others: Sequence[Box]) -> tuple[float, float]:
    """What a place covers that it must not, then what it should not and how far off it is."""
    covered = sum(box.meets(other) for other in taken) + box.outside(within)
    crossed = sum(box.meets(other) > 0 for other in others)
    # Rounded: a place that is free by a hair less than another is as good.
    return round(covered, 3), distance + 12.0 * crossed
