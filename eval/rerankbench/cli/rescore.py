"""``rerankbench rescore``: stored runs under every combination of the rules of measurement."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rerankbench.cli.options import Data, Json
from rerankbench.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rerankbench.rescoring import Rescored
    from rerankbench.scoring import Rules


def rescore(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Complete run folders of one benchmark.")],
    qrels: Annotated[
        list[Path] | None, typer.Option("--qrels", metavar="FILE", help="Another version of the judgements. Repeatable.")
    ] = None,
    measure: Annotated[str, typer.Option("--measure", metavar="M", help="By default the first of the first run's.")] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Measure stored runs under every tie rule, missing-query rule, gain, relevance level, exclusion stage and qrels version.

    Ranks nothing: tells how far a score, and the order of systems, hangs on choices that no system makes.

    Examples:

        rerankbench rescore runs/dl19/bm25/E2Rank-lexical-d23c5a10aa6f --data DIR

        rerankbench rescore runs/dl19/bm25/a-0123 runs/dl19/bm25/b-4567 --measure "AP(rel=2)" --qrels qrels.dl19.v2.txt --json
    """
    from rerankbench.benchmarks import Benchmarks, mirror_folder
    from rerankbench.rescoring import rescore as rescored
    from rerankbench.scoring import judgements, named, read_stored

    stored = [read_stored(path) for path in runs]
    found = rescored(named(stored), judgements(stored, Benchmarks(mirror_folder(data)), qrels or ()), measure)
    if as_json:
        print_json(_data(found))
    else:
        _print(found)


def _data(found: Rescored) -> dict[str, Any]:
    return {
        "measure": found.measure,
        "default": asdict(found.default),
        "choices": {choice: list(options) for choice, options in found.choices.items()},
        "runs": [
            {
                "name": name,
                "default": found.default_mean(name),
                "range": found.range(name),
                "moves": [asdict(move) for move in found.moves(name)],
                "values": [asdict(each) for each in found.distinct(name)],
            }
            for name in found.runs
        ],
        "combinations": len(found.combinations),
        "reversals": [asdict(reversal) for reversal in found.reversals()],
        "notes": list(found.notes),
    }


def _print(found: Rescored) -> None:
    rows = [[name, *_summary(found, name)] for name in found.runs]
    print_table(("run", found.measure, "lowest", "highest", "moved most by"), rows, right=(found.measure, "lowest", "highest"))
    for name in found.runs:
        _print_run(found, name)
    _print_order(found)
    typer.echo(f"{len(found.combinations)} combinations of {_choices(found)}. Default: {_said(asdict(found.default))}.")
    for note in found.notes:
        typer.echo(note)


def _summary(found: Rescored, name: str) -> list[str]:
    low, high = found.range(name) or (None, None)
    moves = found.moves(name)
    most = f"{moves[0].choice} (up to {moves[0].most:.4f})" if moves and moves[0].most > 0 else "nothing"
    return [_value(found.default_mean(name)), _value(low), _value(high), most]


def _print_run(found: Rescored, name: str) -> None:
    moves = [[move.choice, f"{move.alone:+.4f}", f"{move.most:.4f}"] for move in found.moves(name)]
    if moves:
        print_table(("choice", "alone", "at most"), moves, right=("alone", "at most"), title=f"{name}: what each choice moves")
    rows = [[_value(each.value), _otherwise(each.rules, found.default), str(each.combinations)] for each in found.distinct(name)]
    print_table((found.measure, "had by", "combinations"), rows, right=(found.measure, "combinations"), title=f"{name}: all values")


def _print_order(found: Rescored) -> None:
    if len(found.runs) < 2:
        return
    reversals = found.reversals()
    if not reversals:
        typer.echo("No combination changes the order of the systems.")
    for each in reversals:
        said = _otherwise(each.rules, found.default)
        typer.echo(f"{each.below} comes before {each.above} by {said} (in {each.combinations} of {len(found.combinations)} combinations).")


def _choices(found: Rescored) -> str:
    said = "; ".join(f"{choice}: {', '.join(map(str, options))}" for choice, options in found.choices.items())
    return said or "no choice at all"


def _otherwise(rules: Rules, default: Rules) -> str:
    return _said(rules.changes(default)) or "the default"


def _said(rules: dict[str, Any]) -> str:
    return ", ".join(f"{choice} {value}" for choice, value in rules.items())


def _value(value: float | None) -> str:
    return "no value" if value is None else f"{value:.4f}"
