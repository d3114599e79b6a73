"""Figure 1c has the paper's seconds from its Tables 12 and 13, and ours only from cells in seconds, by device."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import cast

import pytest

from rerankbench.config import load_experiment
from rerankbench.config.schema import LatencyChoice
from rerankbench.figures.latency import PAPER_PANEL, UNMEASURED, latency_of
from rerankbench.report import Cell, Column, Status, Table, experiment_table
from rerankbench.report.marks import Figure

COLUMNS = [Column(name, name, unit="seconds") for name in ("encode-documents-s", "others-s", "overall-s")]


def _figure(cells: Sequence[Cell] = ()) -> Figure:
    asked = load_experiment("figure1c")
    table = experiment_table("t", "t", COLUMNS, cells) if cells else Table("t", "t", (), ())
    return latency_of(cast("LatencyChoice", asked.file.figure), asked, table)


def _seconds(system: str, column: str, value: float, hardware: str = "a GPU") -> Cell:
    return Cell(system, column, Status.DONE, value, unit="seconds", hardware=hardware, interval=(value - 0.1, value + 0.1))


def _values(figure: Figure, panel: str, part: str) -> dict[str, str]:
    return {mark.series: str(mark.y) for mark in figure.of(panel, part=part)}


def test_the_paper_is_there_as_printed_and_says_its_hardware() -> None:
    figure = _figure()
    assert _values(figure, PAPER_PANEL, "encode-documents-s") == {"E2Rank-0.6B": "0.50", "E2Rank-4B": "1.74", "E2Rank-8B": "2.76"}
    assert _values(figure, PAPER_PANEL, "others-s") == {"E2Rank-0.6B": "0.13", "E2Rank-4B": "0.43", "E2Rank-8B": "0.64"}
    assert _values(figure, PAPER_PANEL, "overall-s") == {
        "E2Rank-0.6B": "0.63", "RankQwen3-0.6B": "4.58", "E2Rank-4B": "2.17", "RankQwen3-4B": "11.25",
        "E2Rank-8B": "3.40", "RankQwen3-8B": "16.93",
    }  # fmt: skip
    assert figure.panels == [PAPER_PANEL] == ["the paper, NVIDIA A100 80G"]


def test_the_speed_up_is_the_ratio_of_the_printed_times() -> None:
    ratios = {mark.series: float(mark.y or 0) for mark in _figure().of(PAPER_PANEL, part="speed-up")}
    assert ratios == {
        "E2Rank-0.6B": pytest.approx(4.58 / 0.63),
        "E2Rank-4B": pytest.approx(11.25 / 2.17),
        "E2Rank-8B": pytest.approx(16.93 / 3.4),
    }
    assert ratios["E2Rank-8B"] == pytest.approx(5, abs=0.05)  # "up to about 5× speedup at 8B", section 4.4


def test_without_measured_latency_every_system_of_ours_is_missing() -> None:
    figure = _figure()
    assert [mark.series for mark in figure.missing()] == [s.name for s in load_experiment("figure1c").systems]
    assert {mark.reason for mark in figure.missing()} == {UNMEASURED}
    assert figure.exit_code() == 4


def test_values_that_are_no_seconds_are_no_latency() -> None:
    cells = [Cell("E2Rank-0.6B", "trec-covid", Status.DONE, 0.7, seconds=12.0)]
    table = experiment_table("t", "t", [Column("trec-covid", "Covid")], cells)
    asked = load_experiment("figure1c")
    figure = latency_of(cast("LatencyChoice", asked.file.figure), asked, table)
    assert figure.panels == [PAPER_PANEL]


def test_only_what_the_paper_times_of_a_system_is_shown() -> None:
    cells = [
        _seconds("RankQwen3-0.6B", "encode-documents-s", 0.2),
        _seconds("RankQwen3-0.6B", "others-s", 7.8),
        _seconds("RankQwen3-0.6B", "overall-s", 8.0),
        _seconds("E2Rank-0.6B", "others-s", 0.5),
        _seconds("E2Rank-0.6B", "overall-s", 2.0),
        _seconds("E2Rank-0.6B", "overall-p50-s", 1.9),
    ]
    columns = [*COLUMNS, Column("overall-p50-s", "p50", unit="seconds")]
    asked = load_experiment("figure1c")
    figure = latency_of(cast("LatencyChoice", asked.file.figure), asked, experiment_table("t", "t", columns, cells))
    shown = [(mark.series, mark.part) for mark in figure.of("here, a GPU") if mark.unit == "seconds"]
    assert shown == [("E2Rank-0.6B", "others-s"), ("E2Rank-0.6B", "overall-s"), ("RankQwen3-0.6B", "overall-s")]


def test_ours_have_a_panel_a_device_and_a_speed_up_only_on_one_device() -> None:
    cells = [
        _seconds("E2Rank-0.6B", "overall-s", 2.0),
        _seconds("RankQwen3-0.6B", "overall-s", 8.0),
        _seconds("E2Rank-8B", "overall-s", 3.0, "a CPU"),
        _seconds("RankQwen3-8B", "overall-s", 9.0),
    ]
    figure = _figure(cells)
    assert figure.panels == [PAPER_PANEL, "here, a GPU", "here, a CPU"]
    assert [mark.y for mark in figure.of("here, a GPU", part="speed-up")] == [Decimal(4)]
    assert figure.of("here, a CPU", part="speed-up") == []
    assert figure.of("here, a GPU", "E2Rank-0.6B", "overall-s")[0].interval == (1.9, 2.1)
    assert {mark.series for mark in figure.missing()} == {"E2Rank-4B", "RankQwen3-4B"}
