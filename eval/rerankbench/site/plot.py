"""Effectiveness against time: what is drawn, and what must be said beside it. Draws nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from rerankbench.errors import MissingExtra
from rerankbench.reference.verdict import mean
from rerankbench.site.model import Contents, ShownList, ShownRun

NOT_TIMED = {
    "identity": "first stage: its own order, no model",
    "oracle": "ceiling: the judgements' own order, no model",
    "run": "a run file from elsewhere: its time was not measured here",
}
"""Ranker kinds whose seconds are no model's."""


def points(contents: Contents) -> list[dict[str, Any]]:
    """One entry a run and list; values in percent points, seconds a query."""
    return [_point(shown, run) for shown in contents.lists for run in shown.runs if _values(shown, run)]


def setting(run: ShownRun) -> str:
    """What must be equal for times to be compared: the hardware, and how many queries a ranker got at once."""
    batch = int(run.manifest["batch_queries"])
    return f"{run.hardware}; batches of {f'up to {batch} queries' if batch > 1 else 'one query'}"


def caveats(run: ShownRun) -> Iterator[str]:
    """What keeps a point from being clean."""
    if run.caveat:
        yield run.caveat
    if run.manifest["queries_before_last_start"]:
        yield "resumed after a stop: its time is a sum of parts"
    answers = run.manifest["answers"].values()
    if any(a["disk"] for a in answers):
        yield "some answers were kept from earlier runs: its time does not count them"
    if "document_vectors" in run.manifest["identity"]:
        yield "the documents' vectors are the first stage's: its time counts prompts alone"
    elif any(a["memory"] for a in answers):
        yield "texts that an earlier row had embedded were not embedded again"


@cache
def libraries() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script.

    Raises:
        MissingExtra: the package that has them is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtra("the site's plots", "site", str(error)) from error
    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # its stub does not know the default


def _point(shown: ShownList, run: ShownRun) -> dict[str, Any]:
    return {
        "list": shown.label,
        "system": run.label,
        "run": run.page,
        "value": round(100 * mean(_values(shown, run)), 4),
        "measure": shown.measures[0],
        "seconds": run.seconds_per_query,
        "setting": setting(run),
        "hardware": run.hardware,
        "batch": int(run.manifest["batch_queries"]),
        "kind": run.kind,
        "not_drawn": NOT_TIMED.get(run.kind, ""),
        "caveats": list(caveats(run)),
    }


def _values(shown: ShownList, run: ShownRun) -> list[float]:
    return list(run.values.get(shown.measures[0], {}).values())
