"""What `run` and `report` do with MTEB scores, a table's or a column's: name the command that evaluates, and show what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from rerankbench.cli.options import names
from rerankbench.cli.output import print_json, print_report, report_json
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.config import Experiment, MtebTable
    from rerankbench.mteb_tables import FilledColumn
    from rerankbench.report import Cell
    from rerankbench.reporting import Report

DONE, INCOMPLETE = 0, 4


def open_mteb(config: str, assignments: list[str] | None, systems: str, *, unused: Mapping[str, object]) -> MtebTable | None:
    """The table of MTEB scores that the command line names; None where it names an experiment.

    Args:
        unused: Options that mean nothing for it, and their values.

    Raises:
        UsageError: one of them was given.
    """
    from rerankbench.config import MtebTable, load_config

    found = load_config(config, assignments or ())
    if not isinstance(found, MtebTable):
        return None
    given = [option for option, value in unused.items() if value]
    if given:
        raise UsageError(f"{given[0]} means nothing for {config}: its scores are read from mteb's result files, whole.")
    return found.only(names(systems))


def report_mteb(asked: MtebTable, data: str | None, runs: Path, reports: Path, as_json: bool) -> NoReturn:
    """Print and write the tables; the exit code says whether they are complete."""
    from rerankbench.reporting import write_table

    made = read_mteb(asked, data, runs)
    folder = reports / asked.name
    written = write_table(made, folder, runs)
    if as_json:
        print_json({**report_json(made), "files": [str(path) for path in written]})
    else:
        print_report(made)
        typer.echo(f"Written to {folder}: {', '.join(path.name for path in written)}")
    raise typer.Exit(made.exit_code())


def run_mteb(asked: MtebTable, data: str | None, runs: Path, as_json: bool) -> NoReturn:
    """Say what is missing and which command makes it: nothing is evaluated by it."""
    made = read_mteb(asked, data, runs)
    missing = made.table.missing()
    if as_json:
        keys = ("system", "variant", "reason", "hint")
        ways = [dict(zip(keys, way, strict=True)) for way in _ways(missing)]
        print_json({"cells": sum(1 for _ in made.table.cells(averages=False)), "missing": ways})
        raise typer.Exit(INCOMPLETE if missing else DONE)
    if not missing:
        typer.echo(f"All results are at hand: rerankbench report {asked.name}", err=True)
        raise typer.Exit(DONE)
    typer.echo(_what_it_is(asked), err=True)
    _print_ways(missing)
    raise typer.Exit(INCOMPLETE)


def _ways(missing: Iterable[Cell]) -> list[tuple[str, str, str, str]]:
    """System, variant, reason and hint, each once."""
    return list(dict.fromkeys((cell.system, cell.variant, cell.reason, cell.hint) for cell in missing))


def _print_ways(missing: Iterable[Cell], *, err: bool = True) -> None:
    for system, variant, reason, hint in _ways(missing):
        typer.echo(f"{f'{system} {variant}'.strip()}: {reason}" + (f"\n  to get it: {hint}" if hint else ""), err=err)


def mteb_columns(experiment: Experiment, mirror: Path | None, runs: Path) -> list[FilledColumn]:
    """The columns of an experiment's table that MTEB's scores fill, from the result files that are at hand."""
    from rerankbench.mteb_tables import Places, filled_columns

    return filled_columns(experiment, Places(runs, mirror)) if experiment.mteb_columns else []


def mteb_columns_data(columns: Sequence[FilledColumn]) -> dict[str, Any]:
    """For programs, beside the cells of `run`; nothing where there are none."""
    data = [
        {"column": filled.column, "config": filled.source.called, "system": c.system, "state": c.status, "reason": c.reason, "hint": c.hint}
        for filled in columns
        for c in filled.cells
    ]
    return {"mteb": data} if columns else {}


def say_missing_columns(columns: Sequence[FilledColumn], *, err: bool = True) -> bool:
    """What such columns lack, for people.

    Args:
        err: Whether it goes to standard error.

    Returns:
        Whether they lack anything.
    """
    for filled in columns:
        missing = [cell for cell in filled.cells if not cell.done]
        if missing:
            what = f"{filled.column}: {len(missing)} of {len(filled.cells)} cells have no score of MTEB"
            typer.echo(f"{what}. Nothing of it is evaluated by this command, but by 'mteb run'.", err=err)
            _print_ways(missing, err=err)
    return any(not cell.done for filled in columns for cell in filled.cells)


def _what_it_is(asked: MtebTable) -> str:
    said = f"{asked.name} is a table of MTEB scores, and nothing is evaluated by this command."
    run = [system.name for system in asked.systems if system.system is not None]
    if not run:
        return f"{said} Its results are read where they are published."
    return f"{said}\nrerankbench mteb run {asked.called} evaluates {', '.join(run)}."


def read_mteb(asked: MtebTable, data: str | None, runs: Path) -> Report:
    """The table from the result files that are at hand."""
    from rerankbench.benchmarks import mirror_folder
    from rerankbench.mteb_tables import Places
    from rerankbench.reporting import mteb_report_of

    return mteb_report_of(asked, Places(runs, mirror_folder(data)))
