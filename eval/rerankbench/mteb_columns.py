"""Which columns of a table of the paper's a table of MTEB scores may fill. Reads no result."""

from __future__ import annotations

from rerankbench.config import Experiment
from rerankbench.errors import ConfigError, nearest
from rerankbench.reference.layout import PaperTable
from rerankbench.reference.paper import load as load_paper

MAIN_SCORE = "main score"
"""What the paper's columns of MTEB show."""


def check_mteb_columns(experiment: Experiment) -> None:
    """Every such column is one of MTEB in the paper's table, and means the same in the table that is to fill it.

    Raises:
        ConfigError: it is not, or does not.
    """
    for column, asked in experiment.mteb_columns.items():
        place = experiment.place(("mteb_columns", column))
        _refuse_unprinted(column, load_paper().table(str(experiment.file.table)), place)
        if asked.file.is_narrowed:
            # Its mean over the tasks that are left would pass for the paper's over all of the benchmark.
            raise ConfigError(
                f"{place}: {asked.called} is about some tasks of {asked.file.benchmark} only: its means are none of the paper's"
            )
        if asked.file.table is None:
            raise ConfigError(f"{place}: {asked.called} names no 'table' of the paper's: none of its scores stands beside {column!r}")
        _refuse_unprinted(column, load_paper().table(str(asked.file.table)), f"{place}: {asked.called}")


def _refuse_unprinted(column: str, paper: PaperTable, place: str) -> None:
    names = [c.name for c in paper.columns if c.measure == MAIN_SCORE]
    if column not in names:
        raise ConfigError(f"{place}: Table {paper.id} of the paper has no column {column!r} of MTEB's scores. {nearest(column, names)}")
