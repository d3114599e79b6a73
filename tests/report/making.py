"""Hand-made cells and tables that several tests of the report share."""

from __future__ import annotations

from typing import Any

from rerankbench.report import Cell, Column, Status, Table, experiment_table


def done(system: str, column: str, value: float, **more: Any) -> Cell:
    return Cell(system, column, Status.DONE, value, **more)


def absent(system: str, column: str, reason: str = "no weights at hand", hint: str = "", **more: Any) -> Cell:
    return Cell(system, column, Status.MISSING, reason=reason, hint=hint, **more)


NASTY = r"a_b & <c>|% $x$ #1 ^~{}\ *[y](z)* ²–≥ -- '' `q`"
"""A name with everything that some format takes as its own."""


def nasty_table() -> Table:
    columns = [Column("dl19", "DL19"), Column("dl20", "DL20 & 50 %"), Column("mean", "Mean_of", members=("dl19", "dl20"))]
    cells = [
        done(NASTY, "dl19", 0.50575, printed="50.58", notes=(NASTY,), defects={"out of range": 3}),
        absent(NASTY, "dl20", reason=NASTY, hint=NASTY),
        done("BM25", "dl19", 0.5),
        done("BM25", "dl20", 0.25, interval=(0.2, 0.3), seconds=12.345, queries=5, expected_queries=54, limit=5),
    ]
    return experiment_table("nasty", f"A title: {NASTY}", columns, cells, context=[NASTY], caveats=[NASTY])
