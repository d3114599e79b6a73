"""The page of a device: what it is, what it runs with, and what it was measured to reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from rerankbench.device import Section, as_data
from rerankbench.limits import Peaks
from rerankbench.limits.rendering import scaled
from rerankbench.report.markdown import block, escape

NO_PEAKS = "No peaks were measured: rerankbench latency measures them where torch is installed."
PEAK_HEADINGS = ("work", "best", "median", "worst", "repeats")


def write_device_page(
    folder: Path, label: str, sections: Sequence[Section], peaks: Sequence[Peaks], flaws: Sequence[str] = ()
) -> list[Path]:
    """Write ``device.md`` and ``device.json`` into a folder, which is made.

    Args:
        label: What the device is called.
        flaws: Why peaks that should be there are not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = {"device": label, "facts": as_data(sections), "peaks": [of.as_data() for of in peaks], "flaws": list(flaws)}
    files = {
        "device.md": render_device(label, sections, peaks, flaws).encode(),
        "device.json": orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


def render_device(label: str, sections: Sequence[Section], peaks: Sequence[Peaks], flaws: Sequence[str] = ()) -> str:
    """Markdown: a table a section, then one of each type's peaks."""
    parts = [f"# {escape(label)}"]
    for section in sections:
        rows = [(fact.name, fact.text) for fact in section.facts]
        parts += [f"## {escape(section.name)}", _table(("what", "value"), rows)]
    for of in peaks:
        threads = f", {of.threads} threads" if of.threads else ""
        parts += [f"## What it reaches in {escape(of.dtype)}{threads}", block(_about(of)), _table(PEAK_HEADINGS, list(peak_rows(of)))]
    return "\n\n".join([*parts, *map(block, flaws), *([] if peaks or flaws else [NO_PEAKS])]) + "\n"


def peak_rows(peaks: Peaks) -> Iterator[tuple[str, ...]]:
    """Under `PEAK_HEADINGS`: products, then transfers."""
    for rate, unit in [*((rate, "FLOP/s") for rate in peaks.products), *((rate, "B/s") for rate in peaks.transfers)]:
        yield (rate.what, *(f"{scaled(value)}{unit}" for value in (rate.best, rate.median, rate.worst)), str(rate.repeats))


def _about(peaks: Peaks) -> str:
    return (
        f"Measured, not from a datasheet, with torch {peaks.torch or 'of an unknown version'}; limits are taken by the best product and the"
        " best transfer, and median and worst tell how quiet the machine was. Transfers are counted read and written together."
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *([escape(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
