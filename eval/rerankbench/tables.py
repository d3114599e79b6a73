"""From results to tables: what was measured joined with what the paper prints. Runs nothing and renders nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rerankbench.benchmarks import load_catalog
from rerankbench.config import Experiment, System, load_systems
from rerankbench.errors import ConfigError, MissingError
from rerankbench.experiment import Result
from rerankbench.marking import ALPHA, Entry, RowKey, against_defaults, row_letters, with_letters
from rerankbench.measures.interval import bootstrap_interval
from rerankbench.measures.quality import check_measure
from rerankbench.mteb_columns import MAIN_SCORE
from rerankbench.plan import Cell as PlannedCell
from rerankbench.plan import made_without_excluded
from rerankbench.portable import portable
from rerankbench.reference.layout import PaperColumn, PaperRow
from rerankbench.reference.noise import floor_of
from rerankbench.reference.paper import load as load_paper
from rerankbench.reference.verdict import mean
from rerankbench.report.build import experiment_table, paper_table
from rerankbench.report.cells import Cell, Status, average
from rerankbench.report.repeats import repeated
from rerankbench.report.table import Column, Table

PAPER_DEPTH = 100
"""Documents of every list that the paper reranks (its section 4.2)."""


def table_of(experiment: Experiment, results: Sequence[Result], runs: Path, more: Sequence[Cell] = ()) -> Table:
    """The experiment's table: in the layout of the paper's table that it names, else systems under each other.

    Args:
        more: Cells of the paper's table that are no results of the experiment, each under our name of its system.

    Raises:
        MeasureError: a system or benchmark of the experiment has no place in the paper's table.
        ConfigError: the paper's table shows another measure than the experiment's first.
    """
    entries = tested_cells(experiment, results, runs)
    letters = row_letters(entries) if _significance(experiment) == "letters" else {}
    context = context_of(experiment, results)
    if experiment.file.table is None:
        cells = [entry.cell for entry in entries]
        return experiment_table(experiment.name, experiment.file.title, _columns(experiment), cells, letters=letters, context=context)
    _check_measure(experiment)
    named, others = (
        [_as_the_paper_calls_it(cell, str(experiment.file.table)) for cell in cells] for cells in ([e.cell for e in entries], more)
    )
    return paper_table(
        load_paper(),
        str(experiment.file.table),
        [*_with_hidden_averages(named, experiment), *others],
        floors={cell.system: floor for cell, floor in zip(named, _floors(entries, experiment), strict=True)},
        hint=partial(_left_out, experiment),
        letters={(cell.system, cell.variant): letters.get(entry.row, "") for entry, cell in zip(entries, named, strict=True)},
        context=context,
    )


def _floors(entries: Sequence[Entry], experiment: Experiment) -> list[float]:
    """The noise that runs of each cell's kind were measured to have, in percent points."""
    status = {system.family: system.weights.status for system in experiment.systems}
    return [floor_of(status[entry.cell.system]) for entry in entries]


def tested_cells(experiment: Experiment, results: Sequence[Result], runs: Path) -> list[Entry]:
    """A cell for each place, in the order of the results; runs that share a place are its repeats. Marked by the experiment's tests."""
    places: dict[tuple[str, str, str, str], list[Result]] = {}
    for result in results:
        cell = _absent(result, experiment, runs)
        places.setdefault((cell.system, cell.variant, cell.first_stage, cell.column), []).append(result)
    entries = [_entry(shared, experiment, runs) for shared in places.values()]
    marked = {
        "letters": lambda: with_letters(entries),
        "default": lambda: against_defaults(entries, _row_labels(entries)),
        "none": lambda: [entry.cell for entry in entries],
    }[_significance(experiment)]()
    return [replace(entry, cell=cell) for entry, cell in zip(entries, marked, strict=True)]


def _entry(shared: Sequence[Result], experiment: Experiment, runs: Path) -> Entry:
    first = shared[0].cell
    default = first.system.is_default and (first.first_stage, first.depth) == (experiment.first_stages[0], _default_depth(experiment))
    cells = [(result.cell.system.repeat or runs.name, cell_of(result, experiment, runs)) for result in shared]
    if not all(cell.done for _, cell in cells):
        return Entry(repeated(cells, {}), is_default=default)
    each = [_values(result, experiment) for result in shared]
    values = {query: mean([one[query] for one in each]) for query in each[0]}
    alone = len(shared) == 1 and not shared[0].cell.system.repeat
    return Entry(cells[0][1] if alone else repeated(cells, values), values, default)


def _default_depth(experiment: Experiment) -> int:
    return experiment.file.depth if experiment.file.depth in experiment.depths else experiment.depths[0]


def _row_labels(entries: Sequence[Entry]) -> dict[RowKey, str]:
    return {entry.row: f"{entry.cell.system} ({entry.cell.variant})" if entry.cell.variant else entry.cell.system for entry in entries}


def _significance(experiment: Experiment) -> Literal["letters", "default", "none"]:
    asked = experiment.file.significance
    if asked != "auto":
        return asked
    if experiment.file.table is not None:
        return "none"
    swept = len(experiment.depths) > 1 or experiment.varies_first_stage or any(system.variant for system in experiment.systems)
    return "default" if swept else "letters"


def _values(result: Result, experiment: Experiment) -> dict[str, float]:
    """Query id → value of the measure that is shown."""
    shown = check_measure(experiment.file.measures[0])
    return {m.query_id: m.value for m in result.measurements if m.measure == shown}


def _as_the_paper_calls_it(cell: Cell, table: str) -> Cell:
    """The cell in its row, where the paper's row has another name than our system."""
    row = next((r for r in load_paper().table(table).rows if r.ours and (r.ours, "") == (cell.system, cell.variant)), None)
    return cell if row is None else replace(cell, system=row.system, variant=row.variant)


def _with_hidden_averages(cells: Sequence[Cell], experiment: Experiment) -> list[Cell]:
    """The cells, with those of benchmarks that the paper's table shows in an average alone (Table 2) put into that average."""
    printed = {column.name for column in load_paper().table(str(experiment.file.table)).columns}
    hidden = {n: m for n, m in experiment.file.averages.items() if n in printed and not set(m) <= printed}
    rows = dict.fromkeys((cell.system, cell.variant) for cell in cells)
    made = [
        average(system, name, [c for c in cells if (c.system, c.variant) == (system, variant) and c.column in members], variant=variant)
        for name, members in hidden.items()
        for system, variant in rows
    ]
    kept = [cell for cell in cells if cell.column in printed or not any(cell.column in members for members in hidden.values())]
    return kept + made


def _check_measure(experiment: Experiment) -> None:
    """Another measure's values in the paper's columns would be taken for the paper's."""
    ours, table = check_measure(experiment.file.measures[0]), str(experiment.file.table)
    printed = {column.measure for column in load_paper().table(table).columns if column.name in experiment.benchmarks} - {ours}
    if printed:
        raise ConfigError(
            f"{experiment.place(('measures', 0))}: Table {table} of the paper shows {min(printed)}, not {ours}.",
            hint=f"Put {min(printed)} first among the measures, which ranks nothing again, or leave 'table' out.",
        )


def _left_out(experiment: Experiment, row: PaperRow, column: PaperColumn) -> str:  # noqa: ARG001 one text for all, so that they share one note
    if column.measure == MAIN_SCORE and column.name not in experiment.file.mteb_columns:
        return f"name under 'mteb_columns' the configuration of MTEB scores that has {column.name}"
    return "name it in the configuration, or leave --systems and --benchmarks out"


def cell_of(result: Result, experiment: Experiment, runs: Path) -> Cell:
    """One result as a cell; the first measure is the one that is shown."""
    absent = _absent(result, experiment, runs)
    if result.problem is not None or result.manifest is None:
        return absent
    manifest = result.manifest
    shown = check_measure(experiment.file.measures[0])
    values = [m.value for m in result.measurements if m.measure == shown]
    return replace(
        absent,
        status=Status.DONE,
        reason="",
        value=mean(values),
        interval=bootstrap_interval(values),
        queries=len(values),
        expected_queries=_judged_queries(result.cell.benchmark, experiment),
        limit=result.cell.limit,
        missing_rule=experiment.file.missing,
        defects=manifest["defects"],
        seconds=manifest["seconds"],
        hardware=_hardware(manifest),
        resumed=manifest["queries_before_last_start"] > 0,
        deterministic=result.cell.system.ranker.kind == "identity",
        run=_relative(result.folder, result.runs or runs),
        caveat=manifest["caveat"],
        other_model=_other_model(result.cell.system) if experiment.file.table is not None else "",
        notes=(*_notes(manifest), *_kept(result, manifest)),
        not_judged=other_question(result, experiment) if experiment.file.table is not None else "",
    )


def _absent(result: Result, experiment: Experiment, runs: Path) -> Cell:
    """The cell in its place, without a value. Variant and first stage are named only where they differ within the experiment."""
    cell, problem = result.cell, result.problem
    return Cell(
        system=cell.system.family,
        variant=variant_of(cell.system, cell.depth, experiment),
        column=cell.benchmark,
        first_stage=cell.first_stage if experiment.varies_first_stage else "",
        status=Status.MISSING if problem is None or isinstance(problem, MissingError) else Status.FAILED,
        reason=portable(problem.message, (runs, runs.name)) if problem else "This cell was not run yet.",
        hint=portable(problem.hint, (runs, runs.name)) if problem else "",
    )


def variant_of(system: System, depth: int, experiment: Experiment) -> str:
    """What tells a row from the others of its system; empty where nothing of it is swept."""
    said = [f"{key.partition('.')[2]}={value}" for key, value in system.variant]
    return ", ".join([*said, f"depth={depth}"] if len(experiment.depths) > 1 else said)


def title_of(benchmark: str, experiment: Experiment) -> str:
    """As the paper prints it; a benchmark of one's own has the title, or else the name, that the experiment gives it."""
    own = experiment.file.own_benchmarks.get(benchmark)
    if own is not None:
        return str(own.get("title") or benchmark)
    return load_catalog().benchmark(benchmark).title


def _judged_queries(benchmark: str, experiment: Experiment) -> int | None:
    if benchmark in experiment.file.own_benchmarks:
        return None  # nothing is pinned, even where it hides a benchmark of the catalog
    return load_catalog().benchmark(benchmark).counts.judged_queries


def _columns(experiment: Experiment) -> list[Column]:
    stages = experiment.first_stages if experiment.varies_first_stage else ("",)
    shown = experiment.file.measures[0]
    columns = []
    for stage in stages:
        columns += [Column(b, title_of(b, experiment), stage, measure=shown) for b in experiment.benchmarks]
    if stages == ("",):
        members_at_hand = {n: m for n, m in experiment.file.averages.items() if set(m) <= set(experiment.benchmarks)}
        columns += [Column(name, name, members=members, measure=shown) for name, members in members_at_hand.items()]
    return columns


def context_of(experiment: Experiment, results: Sequence[Result]) -> list[str]:
    """Lines that say how the numbers came about."""
    depths = ", ".join(map(str, experiment.depths))
    hardware = dict.fromkeys(_hardware(r.manifest) for r in results if r.manifest)
    lines = [
        f"{experiment.file.measures[0]} of the top {depths} of {_first_stages_in_words(experiment)}, mean over all judged queries",
        "95 % intervals: percentile bootstrap over queries, 10,000 resamples, seed 0",
    ]
    lines += [f"times: wall time of ranking, on {h}" for h in hardware]
    lines += _tests_in_words(experiment) if experiment.file.layout == "systems" else []
    if experiment.file.averages and experiment.varies_first_stage:
        lines.append("averages are not shown: columns differ in their first stage")
    return lines


def _first_stages_in_words(experiment: Experiment) -> str:
    """``bm25``; with the benchmarks or systems that a first stage is for, where it is not for all."""
    said = []
    for stage in experiment.first_stages:
        benchmarks = experiment.file.lists_from.get(stage, ())
        systems = [system.name for system in experiment.systems if stage in system.first_stages]
        only = f" on {', '.join(benchmarks)}" if benchmarks else f" for {', '.join(systems)}" if systems else ""
        said.append(f"{stage}{only}")
    return ("; " if any(" " in one for one in said) else ", ").join(said)


def _hardware(manifest: Mapping[str, Any]) -> str:
    hardware = manifest["environment"]["hardware"]
    return ", ".join(hardware["gpus"]) or f"{hardware['cpu']}, {hardware['cores']} cores"


def _notes(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    answers = manifest["answers"].values()
    said = []
    if "document_vectors" in manifest["identity"]:
        said.append("documents' vectors are those of the first stage: times count prompts alone")
    elif any(a["memory"] for a in answers):
        said.append("a text that several queries or rows share was embedded once: times count it where it came first")
    if any(a["disk"] for a in answers):
        said.append("some answers were kept from earlier runs: times do not count them")
    return tuple(said)


def _kept(result: Result, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """What must be said of a run that is much like its own candidate lists: it scores as they do, whatever it did."""
    kept = manifest.get("kept")
    if not kept or not kept["queries"] or result.cell.system.ranker.kind == "identity":
        return ()
    unchanged = f"the first 10 documents of {kept['first_10']} of {kept['queries']} queries are the first stage's, in its order"
    if kept["orders"] == kept["queries"]:
        return (f"identical to its first stage: the same documents in the same order for all {kept['queries']} queries",)
    if kept["measured"] and kept["values"] == kept["measured"]:
        return (f"{kept['measure']} of all {kept['measured']} queries is its first stage's own: {unchanged}",)
    return (unchanged,) if 2 * kept["first_10"] > kept["queries"] else ()


def _tests_in_words(experiment: Experiment) -> list[str]:
    how = f"paired randomisation test, 10,000 draws, seed 0, p ≤ {ALPHA} after Holm's correction over"
    return {
        "letters": [f"letters: the rows that a number is significantly better than; {how} a column's pairs"],
        "default": [f"▲ ▼: significantly better, worse than the system's own default on the same queries; {how} that system's variants"],
        "none": [],
    }[_significance(experiment)]


def other_question(result: Result, experiment: Experiment) -> str:
    """Why a cell is not to be compared with the paper's, the model apart; empty when it may be."""
    cell = result.cell
    if cell.benchmark in experiment.file.own_benchmarks:
        return f"{cell.benchmark} is a benchmark of your own here, not the paper's"
    if experiment.file.exclusions != "after" and _has_exclusions(cell, experiment):
        return f"exclusions: {experiment.file.exclusions}, by the paper after reranking"
    if cell.depth != PAPER_DEPTH:
        return f"top {cell.depth} ranked, by the paper top {PAPER_DEPTH}"
    known = load_systems().get(cell.system.family)
    own = cell.system.ranker.as_data()
    named = known.ranker.as_data() if known else own
    changed = [f"{key}={value!r}" for key, value in own.items() if named.get(key, value) != value]
    return f"other options than the paper's: {', '.join(changed)}" if changed and not cell.system.variant else ""


def _has_exclusions(cell: PlannedCell, experiment: Experiment) -> bool:
    published = cell.first_stage not in experiment.candidates
    return bool(load_catalog().benchmark(cell.benchmark).exclusions) and not (published and made_without_excluded(cell.first_stage))


def _other_model(system: System) -> str:
    """The hub model that stands in for the one that `systems.yaml` names; a folder is taken for a copy of the named one."""
    known = load_systems().get(system.family)
    if system.engine is None or known is None or known.engine is None:
        return ""
    model, named = (getattr(part.options, "model", "") for part in (system.engine, known.engine))
    return model if model != named and not Path(model).is_dir() else ""


def _relative(folder: Path | None, runs: Path) -> str:
    return folder.relative_to(runs).as_posix() if folder is not None else ""
