"""How limits are shown: the same words in the terminal and in Markdown, plain numbers in CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from rerankbench.limits.of_run import RunLimits
from rerankbench.limits.peaks import Peaks
from rerankbench.limits.roofline import OVERALL, Phase
from rerankbench.report.markdown import block, escape

HEADINGS = ("phase", "operations", "bytes", "bound by", "limit, s", "measured, s", "reached", "beyond, s", "of all")
_FIELDS = ("phase", "part", "flops", "bytes", "bound", "limit_s", "measured_s", "share", "gap_s", "gap_of_overall")
QUIET = 0.85
"""How far the median of a rate may lie below its best on a machine that does nothing else."""
_UNITS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def title(limits: RunLimits) -> str:
    return f"{limits.system}: the limit of {limits.peaks.device}"


def rows(limits: RunLimits) -> list[list[str]]:
    """A row a phase, under `HEADINGS`; a part of a phase is marked, and has no time of its own."""
    return [
        [
            f"· {phase.name}" if phase.part else phase.name,
            scaled(phase.flops) if phase.flops else "",
            scaled(phase.bytes) if phase.bytes else "",
            phase.bound,
            seconds(phase.limit_s) if phase.limit_s else "",
            "" if phase.measured_s is None else seconds(phase.measured_s),
            "" if phase.share is None else f"{100 * phase.share:.1f} %",
            "" if phase.gap_s is None else seconds(phase.gap_s),
            "" if (part := _gap_of_overall(limits, phase)) is None else f"{100 * part:.1f} %",
        ]
        for phase in limits.phases
    ]


def context(limits: RunLimits) -> Iterator[str]:
    """Lines that say what the numbers are."""
    yield f"means over {limits.queries} queries, one at a time; {about_model(limits)}"
    yield about_peaks(limits.peaks)
    yield from METHOD
    yield from limits.notes


_LIMIT = (
    "limit: the larger of operations by the one rate and bytes by the other, pass by pass; operations are those of products of"
    " matrices, bytes those of weights, cache and vectors: an engine may need more, and none needs less"
)
_BEYOND = (
    "beyond: measured less limit, and its share of all time. A phase without a limit needs no device; in one that has it, beyond is"
    " tokenising, padding, starting kernels, and products and transfers slower than the best"
)
METHOD = (_LIMIT, _BEYOND)
"""Lines that say what is shown, of any run."""


def about_model(limits: RunLimits) -> str:
    return f"{limits.shape.name}, {limits.shape.parameters:,} weights, {limits.dtype}"


def about_peaks(peaks: Peaks) -> str:
    """Best beside median, and what that says about the machine."""
    product, transfer = peaks.product, peaks.transfer
    threads = f", {peaks.threads} threads" if peaks.threads else ""
    loud = min(rate.median / rate.best for rate in (product, transfer)) < QUIET
    return (
        f"measured on {peaks.device}{threads}: {scaled(product.best)}FLOP/s in {peaks.dtype} ({product.what}; median"
        f" {scaled(product.median)}), {scaled(transfer.best)}B/s ({transfer.what}; median {scaled(transfer.median)})"
        + ("; the machine was not quiet: it may reach more" if loud else "")
    )


def render_markdown(limits: RunLimits) -> str:
    """A section with its heading."""
    lines = [list(HEADINGS), ["---", *["---:"] * (len(HEADINGS) - 1)], *([escape(text) for text in row] for row in rows(limits))]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    caveat = [f"**{escape(limits.caveat)}**"] if limits.caveat else []
    return "\n\n".join([f"### {escape(title(limits))}", *caveat, table, *map(block, context(limits))]) + "\n"


def render_csv(limits: RunLimits) -> str:
    """Plain numbers; empty where there is none."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ("system", *_FIELDS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({"system": limits.system, **_phase_data(limits, phase)} for phase in limits.phases)
    return out.getvalue()


def to_json(limits: RunLimits) -> dict[str, Any]:
    """All that is shown, as data."""
    peaks = limits.peaks.as_data()
    return {
        "system": limits.system,
        "caveat": limits.caveat,
        "queries": limits.queries,
        "dtype": limits.dtype,
        "shape": {"name": limits.shape.name, "parameters": limits.shape.parameters},
        "peaks": {key: peaks[key] for key in ("device", "dtype", "threads", "flops_per_s", "bytes_per_s", "products", "transfers")},
        "phases": [_phase_data(limits, phase) for phase in limits.phases],
        "context": list(context(limits)),
    }


def scaled(value: float) -> str:
    """Three digits and a prefix: 1234567 is ``1.23 M``."""
    size, unit = next(((size, unit) for size, unit in _UNITS if value >= size), _UNITS[-1])
    return f"{value / size:.3g} {unit}"


def seconds(value: float) -> str:
    """At least three digits of what takes a tenth of a millisecond or more; never in powers of ten."""
    return f"{value:.3f}" if abs(value) >= 1 else f"{value:.6f}" if abs(value) < 0.001 else f"{value:.4f}"


def _phase_data(limits: RunLimits, phase: Phase) -> dict[str, Any]:
    return {
        "phase": phase.name,
        "part": phase.part,
        "flops": phase.flops,
        "bytes": phase.bytes,
        "bound": phase.bound,
        "limit_s": phase.limit_s,
        "measured_s": phase.measured_s,
        "share": phase.share,
        "gap_s": phase.gap_s,
        "gap_of_overall": _gap_of_overall(limits, phase),
    }


def _gap_of_overall(limits: RunLimits, phase: Phase) -> float | None:
    whole = next(one.measured_s for one in limits.phases if one.name == OVERALL and not one.part)
    return phase.gap_s / whole if phase.gap_s is not None and whole else None
