"""Runs that share a cell: their mean, their spread, and nothing that is not clean about any of them lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from report.making import absent, done
from rerankbench.reference import Verdict, load
from rerankbench.report import Column, Status, experiment_table, render
from rerankbench.report.appendix import appendix
from rerankbench.report.cells import Cell
from rerankbench.report.repeats import repeated


def five() -> Cell:
    # The five RankGPT-3.5 repetitions that rank_llm published, by the reference data's own figures.
    values = [0.6799, 0.6737, 0.6827, 0.6938, 0.6868]
    cells = [(f"run {n}", done("RankGPT-3.5", "dl19", value, run=f"dl19/{n}")) for n, value in enumerate(values, start=1)]
    return repeated(cells, {str(i): 0.68 for i in range(43)})


def test_the_value_is_the_mean_and_the_spread_is_lowest_and_highest() -> None:
    cell = five()
    assert cell.value == pytest.approx(0.68338)  # (.6799 + .6737 + .6827 + .6938 + .6868) / 5 = 3.4169 / 5
    assert cell.spread_points is not None
    assert [float(p) for p in cell.spread_points] == [67.37, 69.38]
    assert [repeat.run for repeat in cell.repeats] == [f"dl19/{n}" for n in range(1, 6)]


def test_a_repeat_that_is_not_there_leaves_no_mean_of_the_others() -> None:
    cell = repeated([("seed 1", done("S", "dl19", 0.5)), ("seed 2", absent("S", "dl19", reason="no weights", hint="get them"))], {})
    assert cell.status is Status.MISSING
    assert cell.value is None
    assert cell.reason == "1 of 2 repeats are there; seed 2: no weights"
    assert cell.hint == "get them"


def test_what_is_not_clean_about_one_repeat_is_not_clean_about_the_cell() -> None:
    clean = done("S", "dl19", 0.5, seconds=2.0, defects={"shortened": 1})
    other = done("S", "dl19", 0.5, seconds=4.0, defects={"shortened": 2}, caveat="untrained", limit=5, resumed=True, hardware="B")
    cell = repeated([("1", clean), ("2", other)], {"q": 0.5})
    assert (cell.limit, cell.caveat, cell.resumed, cell.hardware) == (5, "untrained", True, "B")
    assert cell.defects == {"shortened": 3}
    assert cell.seconds == 3.0


def test_a_cells_own_spread_is_noise_too() -> None:
    """Published 70.00 is 1.66 from the mean of 68.34: within the 2.01 that the repeats are apart, beyond an interval of no width."""
    paper = next(c for c in load().cells.values() if c.value)
    near, far = (five().judged(replace(paper, value=printed)) for printed in ("70.00", "70.40"))
    assert (near.verdict, far.verdict) == (Verdict.CLOSE, Verdict.DIFFERENT)


@pytest.mark.parametrize("format_", ["markdown", "latex", "csv", "json"])
def test_every_format_tells_the_spread_and_each_repeat(format_: str) -> None:
    table = experiment_table("x", "X", [Column("dl19", "DL19")], [five()])
    text = render(table, format_, "experiment")
    if format_ in {"markdown", "latex"}:
        assert "67.37" in text
        assert "69.38 of 5" in text
    for each in ("run 1", "run 5"):
        assert each in text
    assert appendix(table).repeats == ("RankGPT-3.5: dl19 run 1 67.99, run 2 67.37, run 3 68.27, run 4 69.38, run 5 68.68",)
    assert [line.rpartition(" ")[2] for line in appendix(table).runs] == [f"dl19/{n}" for n in range(1, 6)]
