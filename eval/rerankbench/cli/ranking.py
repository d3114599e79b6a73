"""Ranking what can be ranked here, for commands that then show all that is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rerankbench.errors import RerankbenchError

if TYPE_CHECKING:
    from rerankbench.config import Experiment
    from rerankbench.experiment import Result
    from rerankbench.plan import Planner


def ranked(experiment: Experiment, planner: Planner, cache: Path | None = None, limit: int | None = None) -> list[Result]:
    """Rank what is new, continue what was stopped; then every cell, whether it could be ranked or not."""
    from rich.console import Console

    from rerankbench.cli.progress import ProgressDisplay
    from rerankbench.experiment import Laboratory

    for definition, outcome in planner.candidates.build_all(planner.definitions(experiment)):
        if not isinstance(outcome, RerankbenchError) and not outcome.reused:
            typer.echo(f"built the {definition.name} lists of {definition.benchmark}, top {definition.depth}", err=True)
    plan = planner.plan(experiment, limit)
    workable = [planned for planned in plan if planned.state in {"new", "unfinished"}]
    with ProgressDisplay(Console(stderr=True), len(workable)) as progress:
        Laboratory(planner, cache).run(workable, experiment, progress)
    return Laboratory(planner).stored(planner.plan(experiment, limit), experiment)
