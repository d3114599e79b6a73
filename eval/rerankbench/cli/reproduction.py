"""``rerankbench reproduction``: how well a run reproduces a published one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rerankbench.cli.compare import run_file
from rerankbench.cli.options import Json, names
from rerankbench.cli.output import print_json, print_table
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.measures.reproduction import Reproduction, SameOrders
    from rerankbench.trec import Run


def reproduction(
    a: Annotated[Path, typer.Argument(metavar="A", help="The reproduction: a run folder, or a run file, gzip or not.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The original, e.g. a published run file.")],
    qrels: Annotated[
        Path | None, typer.Option("--qrels", metavar="FILE", help="Judgements: adds RMSE, and with baselines the effects.")
    ] = None,
    baseline_a: Annotated[
        Path | None, typer.Option("--baseline-a", metavar="RUN", help="What A is to improve on, e.g. its first stage.")
    ] = None,
    baseline_b: Annotated[Path | None, typer.Option("--baseline-b", metavar="RUN", help="What B is to improve on.")] = None,
    measure: Annotated[str, typer.Option("--measure", metavar="M", help="As ir_measures writes it.")] = "nDCG@10",
    cutoffs: Annotated[str, typer.Option("--cutoffs", metavar="K,L", help="Of Kendall's tau.")] = "10,100",
    p: Annotated[float, typer.Option("--p", metavar="P", help="Persistence of rank-biased overlap.")] = 0.8,
    missing: Annotated[
        Literal["error", "skip"], typer.Option("--missing", help="A query that one run lacks: stop, or leave it out.")
    ] = "error",
    per_query: Annotated[bool, typer.Option("--per-query", help="Every query too.")] = False,
    as_json: Json = False,
) -> None:
    """Measure how well run A reproduces run B: Kendall's tau union, RBO, RMSE, effect ratio, delta relative improvement.

    Examples:

        rerankbench reproduction runs/dl19/bm25/rankvicuna-0123 rankvicuna.dl19.trec --qrels qrels.dl19-passage.txt --per-query

        rerankbench reproduction ours.trec theirs.trec --qrels qrels.txt --baseline-a bm25.trec --baseline-b bm25.trec --json
    """
    from rerankbench.measures.reproduction import reproduce
    from rerankbench.trec import read_qrels

    depths = _cutoffs(cutoffs)
    baselines = _baselines(baseline_a, baseline_b, qrels)
    found = reproduce(
        _read(a),
        _read(b),
        qrels=read_qrels(qrels) if qrels else None,
        baselines=baselines,
        measure=measure,
        cutoffs=depths,
        persistence=p,
        missing=missing,
    )
    if as_json:
        print_json({"a": str(a), "b": str(b), "p": p, "missing_rule": missing, **_data(found, depths, per_query)})
    else:
        _print(found, depths, p)
        if per_query:
            _print_queries(found, depths)


def _cutoffs(text: str) -> list[int]:
    if not names(text) or not all(name.isdecimal() and int(name) >= 2 for name in names(text)):
        raise UsageError(f"--cutoffs {text!r}: expected whole numbers of at least 2 between commas, e.g. 10,100.")
    return list(dict.fromkeys(map(int, names(text))))


def _read(path: Path) -> Run:
    from rerankbench.trec import read_run

    return read_run(run_file(path))


def _baselines(a: Path | None, b: Path | None, qrels: Path | None) -> tuple[Run, Run] | None:
    if a is None and b is None:
        return None
    if a is None or b is None or qrels is None:
        raise UsageError(
            "Effect ratio and delta relative improvement need --baseline-a, --baseline-b and --qrels.",
            hint="Name one run twice where both share their baseline.",
        )
    return _read(a), _read(b)


def _data(found: Reproduction, cutoffs: list[int], per_query: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "queries": len(found.orders),
        "tau_union": {str(k): found.mean_tau(k) for k in cutoffs},
        "tau_union_by_id": {str(k): found.mean_tau(k, by_id=True) for k in cutoffs},
        "rbo": found.mean_rbo,
        "same_orders": [{**asdict(same), "identical": same.is_identical} for same in found.same],
    }
    if found.values is not None:
        data |= {"measure": found.values.measure, "means": dict(zip("ab", found.values.means, strict=True)), "rmse": found.values.rmse}
    if found.effect is not None:
        data |= {
            "gains": dict(zip("ab", found.effect.means, strict=True)),
            "effect_ratio": found.effect.effect_ratio,
            "delta_relative_improvement": found.effect.delta_relative_improvement,
        }
    if per_query:
        data["per_query"] = {order.query_id: _query_data(found, position) for position, order in enumerate(found.orders)}
    return data


def _query_data(found: Reproduction, position: int) -> dict[str, Any]:
    order = found.orders[position]
    data: dict[str, Any] = {
        "tau_union": {str(k): tau for k, tau in order.tau.items()},
        "tau_union_by_id": {str(k): tau for k, tau in order.tau_by_id.items()},
        "rbo": order.rbo,
        "same_order": order.is_same,
    }
    if found.values is not None:
        data["values"] = {"a": found.values.a[order.query_id], "b": found.values.b[order.query_id]}
    if found.effect is not None:
        data["gains"] = {"a": found.effect.a[order.query_id], "b": found.effect.b[order.query_id]}
    return data


def _print(found: Reproduction, cutoffs: list[int], p: float) -> None:
    rows = [[f"tau union@{k}", _number(found.mean_tau(k)), "mean over queries; 1: the same order"] for k in cutoffs]
    by_id = "as repro_eval computes it: numbered by document id"
    rows += [[f"tau union@{k}, by id", _number(found.mean_tau(k, by_id=True)), by_id] for k in cutoffs]
    rows.append([f"RBO (p = {p:g})", _number(found.mean_rbo), "mean over queries; 1: the same order"])
    if found.values is not None:
        a, b = found.values.means
        rows.append([f"RMSE of {found.values.measure}", _number(found.values.rmse), f"0: the same values; A has {a:.4f}, B {b:.4f}"])
    if found.effect is not None:
        a, b = found.effect.means
        gains = f"1: the same gain over the baseline; A gains {a:+.4f}, B {b:+.4f}"
        rows.append(["effect ratio", _number(found.effect.effect_ratio), gains])
        rows.append(["delta relative improvement", _number(found.effect.delta_relative_improvement), "0: the same; above 0 A gains less"])
    print_table((f"{len(found.orders)} queries", "value", ""), rows, right=("value",))
    for same in found.same:
        typer.echo(_said(same))
    for run, gained in (("A", found.effect.a), ("B", found.effect.b)) if found.effect is not None else ():
        if not any(gained.values()):
            typer.echo(f"{run} gains nothing over its baseline on any query: a rerank that failed?")


def _said(same: SameOrders) -> str:
    first, second = same.names
    if same.is_identical:
        return f"{first} is identical to {second}: the same documents in the same order for every query."
    return f"{first} has the order of {second} on {same.same} of {same.queries} queries."


def _print_queries(found: Reproduction, cutoffs: list[int]) -> None:
    taus = [f"tau union@{k}" for k in cutoffs]
    headings = ["query", *taus, "RBO", "same order"]
    if found.values is not None:
        headings += [f"A {found.values.measure}", f"B {found.values.measure}"]
    rows = []
    for order in found.orders:
        row = [order.query_id, *(_number(order.tau[k]) for k in cutoffs), _number(order.rbo), "yes" if order.is_same else ""]
        if found.values is not None:
            row += [_number(found.values.a[order.query_id]), _number(found.values.b[order.query_id])]
        rows.append(row)
    print_table(headings, rows, right=headings[1:])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
