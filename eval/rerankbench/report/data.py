"""Tables for programs: CSV with one line a cell, and one JSON-ready mapping. Numbers are never rounded here."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rerankbench.reference.verdict import exact
from rerankbench.report.appendix import Note, appendix
from rerankbench.report.cells import Cell
from rerankbench.report.table import Column, Row, Table

HEADER = (
    "table", "system", "variant", "first_stage", "benchmark", "measure", "unit", "value", "low", "high", "paper", "difference",
    "verdict", "not_judged", "status", "reason", "hint", "queries", "expected_queries", "limit", "missing_rule", "defects",
    "seconds", "hardware", "resumed", "caveat", "other_model", "run", "repeats", "better_than", "against", "against_difference",
    "against_p", "notes", "task_then", "task_now", "task_here",
)  # fmt: skip


def render_csv(table: Table) -> str:
    """One line a cell, averages too; `value`, `low`, `high` and `difference` in the column's unit with all their digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for row, column, cell in table.cells():
        fields = _fields(table, row, column, cell)
        writer.writerow([fields[name] for name in HEADER])
    return out.getvalue()


def _fields(table: Table, row: Row, column: Column, cell: Cell) -> Mapping[str, str]:
    low, high = cell.interval_points or (None, None)
    return {
        "table": table.id,
        "system": row.system,
        "variant": row.variant,
        "first_stage": cell.first_stage,
        "benchmark": column.name,
        "measure": column.measure,
        "unit": column.unit,
        "value": _plain(cell.points),
        "low": _plain(low),
        "high": _plain(high),
        "paper": cell.printed or "",
        "difference": _plain(cell.difference),
        "verdict": cell.verdict.value if cell.verdict else "",
        "not_judged": cell.not_judged,
        "status": cell.status.value,
        "reason": cell.reason,
        "hint": cell.hint,
        "queries": _plain(cell.queries),
        "expected_queries": _plain(cell.expected_queries),
        "limit": _plain(cell.limit),
        "missing_rule": cell.missing_rule,
        "defects": "; ".join(f"{kind}={count}" for kind, count in sorted(cell.defects.items())),
        "seconds": _plain(cell.seconds),
        "hardware": cell.hardware,
        "resumed": "yes" if cell.resumed else "",
        "caveat": cell.caveat,
        "other_model": cell.other_model,
        "run": cell.run,
        "repeats": "; ".join(f"{repeat.label}={_plain(cell.in_points(repeat.value))}" for repeat in cell.repeats),
        "better_than": cell.letters,
        "against": cell.against.reference if cell.against else "",
        "against_difference": _plain(cell.in_points(cell.against.difference)) if cell.against else "",
        "against_p": _plain(cell.against.p) if cell.against else "",
        "notes": "; ".join(cell.notes),
        "task_then": cell.task.then if cell.task else "",
        "task_now": cell.task.now if cell.task else "",
        "task_here": cell.task.here if cell.task else "",
    }


def _plain(number: Decimal | float | None) -> str:
    """All digits, no exponent; empty for None."""
    if number is None or isinstance(number, int):
        return "" if number is None else str(number)
    return f"{exact(number):f}"


def to_json(table: Table) -> dict[str, Any]:
    """The table as plain mappings, lists, text and numbers; values are fractions (or seconds), the paper's numbers as printed."""
    under = appendix(table)
    return {
        "table": table.id,
        "title": table.title,
        "complete": table.exit_code() == 0,
        "exit_code": table.exit_code(),
        "columns": [_column(c) for c in table.columns],
        "groups": [
            {
                "label": g.label,
                "rows": [{"system": r.system, "variant": r.variant, "label": r.label, "letter": r.letter} for r in g.rows],
            }
            for g in table.groups
        ],
        "cells": [_cell(row, column, cell) for row, column, cell in table.cells()],
        "verdicts": _verdicts(table, averages=False),
        "verdicts_of_averages": _verdicts(table, averages=True),
        "missing": [_note(note) for note in under.missing],
        "remarks": [_note(note) for note in under.remarks],
        "defects": list(under.defects),
        "context": list(table.context),
        "caveats": list(table.caveats),
        "notes": list(under.notes),
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "label": column.label,
        "first_stage": column.first_stage,
        "measure": column.measure,
        "unit": column.unit,
        "mean_of": list(column.members),
    }


def _cell(row: Row, column: Column, cell: Cell) -> dict[str, Any]:
    return {
        "system": row.system,
        "variant": row.variant,
        "first_stage": cell.first_stage,
        "benchmark": column.name,
        "status": cell.status.value,
        "value": cell.value,
        "interval": list(cell.interval) if cell.interval else None,
        "paper": cell.printed,
        "difference": float(cell.difference) if cell.difference is not None else None,
        "verdict": cell.verdict.value if cell.verdict else None,
        "not_judged": cell.not_judged,
        "reason": cell.reason,
        "hint": cell.hint,
        "queries": cell.queries,
        "expected_queries": cell.expected_queries,
        "limit": cell.limit,
        "missing_rule": cell.missing_rule,
        "members": list(cell.members) if cell.members else None,
        "defects": dict(sorted(cell.defects.items())),
        "seconds": cell.seconds,
        "hardware": cell.hardware,
        "resumed": cell.resumed,
        "caveat": cell.caveat,
        "other_model": cell.other_model,
        "run": cell.run,
        "repeats": [asdict(repeat) for repeat in cell.repeats],
        "better_than": cell.letters,
        "against": asdict(cell.against) if cell.against else None,
        "notes": list(cell.notes),
        "task": asdict(cell.task) if cell.task else None,
    }


def _note(note: Note) -> dict[str, Any]:
    return {"number": note.number, "text": note.text, "hint": note.hint, "cells": note.count, "where": list(note.where)}


def _verdicts(table: Table, *, averages: bool) -> dict[str, int]:
    counts = table.verdicts(averages=averages)
    return {verdict.value if verdict else "not compared": count for verdict, count in counts.items()}
