"""Which differences between the rows of a table are sure: letters, or the distance to a default. Knows no rendering.

Everything is tested within one column, on the same queries: a paired randomisation test, Holm-corrected over the column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from rerankbench.measures.letters import letter, superscript
from rerankbench.measures.significance import holm, randomisation_tests
from rerankbench.report.cells import Cell, Significance

ALPHA = 0.05
"""A corrected p up to this is called significant."""
OTHER_QUERIES = "not tested against the other rows: its queries are not theirs"

RowKey = tuple[str, str]
"""system, variant"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A cell with what its tests are made of.

    Attributes:
        values: Query id → value of the shown measure; empty for a cell without one.
        is_default: Whether it is what the other cells of its system are measured by.
    """

    cell: Cell
    values: Mapping[str, float] = field(default_factory=dict)
    is_default: bool = False

    @property
    def row(self) -> RowKey:
        return self.cell.system, self.cell.variant


def row_letters(entries: Sequence[Entry]) -> dict[RowKey, str]:
    """A letter a row, in the order in which rows first come."""
    return {row: letter(position) for position, row in enumerate(dict.fromkeys(e.row for e in entries))}


def with_letters(entries: Sequence[Entry]) -> list[Cell]:
    """The cells, each with the letters of the rows that it is significantly better than in its column."""
    letters = row_letters(entries)
    cells = [entry.cell for entry in entries]
    for positions in _columns(entries):
        alike, others = _same_queries(entries, positions)
        for position in others:
            cells[position] = _noted(cells[position])
        pairs = list(combinations(alike, 2))
        better: dict[int, set[str]] = {position: set() for position in alike}
        for (a, b), difference, p in zip(pairs, *_tested([(entries[a], entries[b]) for a, b in pairs]), strict=True):
            if p <= ALPHA and difference:
                winner, loser = (b, a) if difference > 0 else (a, b)
                better[winner].add(letters[entries[loser].row])
        for position, beaten in better.items():
            cells[position] = replace(cells[position], letters=superscript([one for one in letters.values() if one in beaten]))
    return cells


def against_defaults(entries: Sequence[Entry], labels: Mapping[RowKey, str]) -> list[Cell]:
    """The cells, each with its distance to its system's default on the same benchmark; Holm over those that share a default.

    Args:
        labels: Row → how the default is called.
    """
    cells = [entry.cell for entry in entries]
    for default, positions in _families(entries):
        alike, others = _same_queries(entries, [default, *positions])
        for position in set(others) - {default}:
            cells[position] = _noted(cells[position])
        compared = [p for p in alike if p != default] if default in alike else []
        for position, difference, p in zip(compared, *_tested([(entries[default], entries[q]) for q in compared]), strict=True):
            reference = labels[entries[default].row]
            cells[position] = replace(cells[position], against=Significance(reference, difference, p, p <= ALPHA))
    return cells


def _columns(entries: Sequence[Entry]) -> list[list[int]]:
    """Positions of the entries that have values, by column."""
    found: dict[tuple[str, str], list[int]] = {}
    for position, entry in enumerate(entries):
        if entry.values:
            found.setdefault((entry.cell.first_stage, entry.cell.column), []).append(position)
    return list(found.values())


def _families(entries: Sequence[Entry]) -> list[tuple[int, list[int]]]:
    """Each default, with the positions that are measured by it: its system's on its benchmark. A system without one has no family."""
    found: dict[tuple[str, str], list[int]] = {}
    for position, entry in enumerate(entries):
        if entry.values:
            found.setdefault((entry.cell.system, entry.cell.column), []).append(position)
    families = []
    for positions in found.values():
        defaults = [p for p in positions if entries[p].is_default]
        if len(defaults) == 1:
            families.append((defaults[0], [p for p in positions if p != defaults[0]]))
    return families


def _same_queries(entries: Sequence[Entry], positions: Sequence[int]) -> tuple[list[int], list[int]]:
    """The positions that share the queries of the first one, and the others."""
    queries = entries[positions[0]].values.keys()
    alike = [p for p in positions if entries[p].values.keys() == queries]
    return alike, [p for p in positions if p not in alike]


def _tested(pairs: Sequence[tuple[Entry, Entry]]) -> tuple[list[float], list[float]]:
    """Mean difference (second less first) and corrected p of each pair."""
    if not pairs:
        return [], []
    rows = [[b.values[query] - a.values[query] for query in a.values] for a, b in pairs]
    tests = randomisation_tests(np.asarray(rows, dtype=np.float64))
    return [math.fsum(row) / len(row) for row in rows], holm([test.p for test in tests])


def _noted(cell: Cell) -> Cell:
    return replace(cell, notes=tuple(dict.fromkeys((*cell.notes, OTHER_QUERIES))))
