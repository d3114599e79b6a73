"""The figure that a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rerankbench.config import Experiment
from rerankbench.config.schema import BarsChoice, LatencyChoice, ScoresChoice, SweepChoice, TradeoffChoice
from rerankbench.experiment import Result
from rerankbench.figures.bars import bars_of
from rerankbench.figures.latency import latency_of
from rerankbench.figures.scores import scores_of
from rerankbench.figures.sweep import sweep_of
from rerankbench.figures.tradeoff import tradeoff_of
from rerankbench.report import Table
from rerankbench.report.marks import Figure


def figure_of(experiment: Experiment, table: Table, results: Sequence[Result], runs: Path) -> Figure | None:
    """What `figure` of the configuration asks for; None where it asks for none.

    Args:
        table: The experiment's table, made of these results.

    Raises:
        ConfigError: the table has no such column.
        StoreError: a run's journal is damaged.
    """
    choice = experiment.file.figure
    if isinstance(choice, SweepChoice):
        return sweep_of(choice, experiment, table)
    if isinstance(choice, BarsChoice):
        return bars_of(choice, experiment, table)
    if isinstance(choice, LatencyChoice):
        return latency_of(choice, experiment, table)
    if isinstance(choice, ScoresChoice):
        return scores_of(choice, experiment, results, runs)
    if isinstance(choice, TradeoffChoice):
        return tradeoff_of(choice, experiment, results, runs)
    return None
