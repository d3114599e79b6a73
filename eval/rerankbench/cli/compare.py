"""``rerankbench compare``: systems against each other on the same queries, with tests, effect sizes and the queries behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rerankbench.cli.options import Json
from rerankbench.cli.output import print_json, print_table
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.measures.compare import Comparison, Pair, Placed, QueryDifference, System
    from rerankbench.records import Qrels
    from rerankbench.trec import Run

    _Differing = tuple[Pair, QueryDifference, list[tuple[Placed | None, Placed | None]]]

_DEPTH = 10


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, or run files from anywhere, gzip or not.")],
    qrels: Annotated[Path, typer.Option("--qrels", metavar="FILE", help="TREC or BEIR judgements, gzip or not.")],
    measure: Annotated[str, typer.Option("--measure", metavar="M", help="As ir_measures writes it.")] = "nDCG@10",
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="RUN", help="The reference, one of the runs or another one.  [default: the first run]"),
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", metavar="P", help="A corrected p up to this is called significant.")] = 0.05,
    missing: Annotated[
        Literal["error", "zero", "skip"],
        typer.Option("--missing", help="A query that one run lacks: stop, count 0 in that run, or leave it out of all runs."),
    ] = "error",
    queries: Annotated[
        int, typer.Option("--queries", metavar="N", min=0, help="How many of the queries that differ most are shown, for each system.")
    ] = 3,
    permutations: Annotated[int, typer.Option("--permutations", metavar="N", min=1, help="Draws of the randomisation test.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the randomisation test and the bootstrap.")] = 0,
    as_json: Json = False,
) -> None:
    """Compare runs: paired randomisation test and t-test, Holm-corrected over all pairs, effect sizes, wins and losses.

    Letters say which systems a system is significantly better than (randomisation test).

    Examples:

        rerankbench compare runs/dl19/bm25/a-0123 runs/dl19/bm25/b-4567 --qrels qrels.dl19-passage.txt

        rerankbench compare ours.trec theirs.trec.gz --against bm25.trec --qrels qrels.txt --measure "AP(rel=2)" --missing skip --json
    """
    from rerankbench.measures.compare import compare as compared
    from rerankbench.trec import read_qrels, read_run

    files = _named(runs if against is None or against in runs else [against, *runs])
    reference = None if against is None else next(name for name, path in files.items() if path == against)
    judged = read_qrels(qrels)
    read = {name: read_run(run_file(path)) for name, path in files.items()}
    found = compared(read, judged, measure, reference=reference, alpha=alpha, missing=missing, permutations=permutations, seed=seed)
    if as_json:
        settings = {"missing_rule": missing, "permutations": permutations, "seed": seed}
        print_json({**_data(found, files), **settings, "most_different": _differing(found, read, judged, queries)})
    else:
        _print(found, missing)
        _print_differing(found, read, judged, queries)


def run_file(path: Path) -> Path:
    """The run file that a path names: itself, or the one in a run folder."""
    return path / "run.trec" if path.is_dir() else path


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Name → path: the last part of the path where that tells the runs apart, else the whole path."""
    if len(paths) < 2:
        raise UsageError("A comparison needs at least two runs.", hint="Name another RUN, or the reference with --against RUN.")
    if len(set(paths)) < len(paths):
        raise UsageError(f"{next(str(p) for p in paths if paths.count(p) > 1)} is named twice.")
    short = [path.name for path in paths]
    return {path.name if short.count(path.name) == 1 and path.name else str(path): path for path in paths}


def _data(found: Comparison, files: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "measure": found.measure,
        "queries": len(found.queries),
        "reference": found.reference.name,
        "alpha": found.alpha,
        "systems": [
            {
                "name": system.name,
                "run": str(files[system.name]),
                "letter": system.letter,
                "mean": system.mean,
                "better_than": list(system.better_than),
                "missing_queries": list(system.missing),
            }
            for system in found.systems
        ],
        "pairs": [asdict(pair) for pair in found.pairs],
        "lowest_p": found.lowest_p,
    }


def _differing(found: Comparison, runs: Mapping[str, Run], qrels: Qrels, count: int) -> list[dict[str, Any]]:
    return [
        {
            "a": pair.a,
            "b": pair.b,
            **asdict(query),
            "difference": query.difference,
            "rankings": [{"rank": rank, "a": _placed_data(a), "b": _placed_data(b)} for rank, (a, b) in enumerate(beside, start=1)],
        }
        for pair, query, beside in _most_different(found, runs, qrels, count)
    ]


def _most_different(found: Comparison, runs: Mapping[str, Run], qrels: Qrels, count: int) -> Iterator[_Differing]:
    """For each system against the reference, its most different queries with both rankings."""
    from rerankbench.measures.compare import side_by_side

    for pair in found.against_reference:
        for query in found.most_different(pair, count):
            yield pair, query, side_by_side(runs[pair.a], runs[pair.b], qrels[query.query_id], query.query_id, _DEPTH)


def _placed_data(placed: Placed | None) -> dict[str, Any] | None:
    return None if placed is None else asdict(placed)


def _print(found: Comparison, missing: str) -> None:
    rows = [[s.letter, s.name, f"{s.mean:.4f}", " ".join(s.better_than)] for s in found.systems]
    print_table(("", "system", found.measure, "better than"), rows, right=(found.measure,))
    headings = (f"against {found.reference.letter}", "difference", "95 % interval", "d", "wins/ties/losses", "p", "Holm", "t: p", "t: Holm")
    print_table(headings, [_row(pair) for pair in found.against_reference], right=(headings[1], *headings[3:]))
    exact = ", exact" if all(pair.randomisation.is_exact for pair in found.pairs) else ""
    family = f"Holm over {len(found.pairs)} pairs" if len(found.pairs) > 1 else "one pair, nothing to correct"
    typer.echo(
        f"{len(found.queries)} queries. p: paired randomisation test{exact}; t: paired t-test; both two-sided; "
        f"{family}; letters at {found.alpha:g}."
    )
    _print_notes(found, missing)


def _row(pair: Pair) -> list[str]:
    low, high = pair.interval
    return [
        pair.b,
        f"{pair.difference:+.4f}",
        f"{low:+.4f} to {high:+.4f}",
        "–" if pair.cohens_d is None else f"{pair.cohens_d:+.2f}",
        f"{pair.wins}/{pair.ties}/{pair.losses}",
        _p(pair.randomisation.p),
        _p(pair.p_holm),
        _p(None if pair.t_test is None else pair.t_test.p),
        _p(pair.t_p_holm),
    ]


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _print_notes(found: Comparison, missing: str) -> None:
    for pair in found.pairs:
        if pair.same_orders == len(found.queries):
            typer.echo(f"{pair.b} is identical to {pair.a}: the same documents in the same order for every query.")
        elif pair.ties == len(found.queries):
            typer.echo(f"{pair.b} has the value of {pair.a} on every query, and its order on {pair.same_orders} of {pair.ties}.")
    if found.lowest_p > found.alpha:
        remedy = "more queries" if all(p.randomisation.is_exact for p in found.pairs) else "more --permutations, or fewer runs"
        typer.echo(f"Nothing could be significant here: the lowest corrected p is {found.lowest_p:.3g}. It takes {remedy}.")
    for system in found.systems:
        if system.missing:
            what = "count as zero" if missing == "zero" else "are left out everywhere"
            typer.echo(f"{system.name} lacks {len(system.missing)} judged queries, which {what}: {_some(system)}")


def _some(system: System) -> str:
    return ", ".join(system.missing[:10]) + (" …" if len(system.missing) > 10 else "")


def _print_differing(found: Comparison, runs: Mapping[str, Run], qrels: Qrels, count: int) -> None:
    for pair, query, beside in _most_different(found, runs, qrels, count):
        typer.echo(f"Query {query.query_id}: {pair.a} {query.a:.4f}, {pair.b} {query.b:.4f} ({query.difference:+.4f})")
        a_letter, b_letter = (next(s.letter for s in found.systems if s.name == name) for name in (pair.a, pair.b))
        headings = ("rank", a_letter, "grade", f"rank in {b_letter}", b_letter, "grade", f"rank in {a_letter}")
        rows = [[str(rank), *_cells(a), *_cells(b)] for rank, (a, b) in enumerate(beside, start=1)]
        print_table(headings, rows, right=("rank", "grade", headings[3], headings[6]))


def _cells(placed: Placed | None) -> list[str]:
    if placed is None:
        return ["", "", ""]
    return [placed.doc_id, _or_dash(placed.grade), _or_dash(placed.other_rank)]


def _or_dash(number: int | None) -> str:
    return "–" if number is None else str(number)
