"""Runs that share a cell (seeds, engines, hosts): their mean as its value, and how far apart they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rerankbench.measures.interval import bootstrap_interval
from rerankbench.reference.verdict import mean
from rerankbench.report.cells import Cell, Repeat, unclean


def repeated(cells: Sequence[tuple[str, Cell]], values: Mapping[str, float]) -> Cell:
    """One cell for several runs of the same thing.

    Args:
        cells: Label and cell of each run.
        values: Query id → mean over the runs: the interval is over queries, and the spread over runs stands beside it.

    Returns:
        A cell whose value is the mean; without one as soon as a run has none, with that run's reason.
    """
    absent = [(label, cell) for label, cell in cells if not cell.done]
    if absent:
        label, cell = absent[0]
        there = f"{len(cells) - len(absent)} of {len(cells)} repeats are there; {label}: {cell.reason}"
        return replace(cell, reason=there if len(cells) > 1 else cell.reason)
    done = [cell for _, cell in cells]
    seconds = [cell.seconds for cell in done if cell.seconds is not None]
    return replace(
        done[0],
        **unclean(done),
        value=mean([cell.value for cell in done if cell.value is not None]),
        interval=bootstrap_interval(list(values.values())),
        seconds=mean(seconds) if len(seconds) == len(done) else None,
        repeats=tuple(Repeat(label, cell.value, cell.run) for label, cell in cells if cell.value is not None),
    )
