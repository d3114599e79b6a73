"""The page of a run: what it was, how it was made, what went wrong, how long it took, and its value for every query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from rerankbench.measures.interval import bootstrap_interval
from rerankbench.records import CandidateList, Ranked
from rerankbench.reference.verdict import as_printed, mean, percent
from rerankbench.site.documents import shortened
from rerankbench.site.folder import Writer
from rerankbench.site.model import Contents, ShownList, ShownRun
from rerankbench.site.pages import write_page
from rerankbench.site.phases import phases
from rerankbench.site.plot import NOT_TIMED, caveats
from rerankbench.store import read_spans

_QUERY = 110
"""Characters of a query's text in a line of the table."""


def write(writer: Writer, contents: Contents, shown: ShownList, run: ShownRun, *, ranked: Mapping[str, Ranked], folder: Path) -> None:
    """Write the page.

    Args:
        ranked: Query id → what the run made of it.
        folder: The run's own, for its spans.
    """
    unchanged = sum(_is_unchanged(candidates, ranked) for candidates in shown.lists)
    tables = [table for table in contents.tables if table.page in run.tables]
    write_page(
        writer,
        run.page,
        "run.html",
        shown=shown,
        run=run,
        tables=tables,
        measures=[_measure(name, of) for name, of in run.values.items()],
        phases=phases(read_spans(folder)),
        caveats=_caveats(run, unchanged, len(shown.lists)),
        unchanged=unchanged,
        defects=list(_defects(shown, ranked)),
        queries=list(_queries(shown, run, ranked)),
        blocks=_blocks(run),
    )


def _measure(name: str, of: Mapping[str, float]) -> dict[str, str]:
    values = list(of.values())
    low, high = (as_printed(percent(bound), 2) for bound in bootstrap_interval(values))
    return {"name": name, "value": as_printed(percent(mean(values)), 2), "interval": f"{low}–{high}", "queries": str(len(values))}


def _is_unchanged(candidates: CandidateList, ranked: Mapping[str, Ranked]) -> bool:
    found = ranked.get(candidates.query.id)
    return found is not None and found.ranking.doc_ids == tuple(document.id for document in candidates.documents)


def _caveats(run: ShownRun, unchanged: int, queries: int) -> list[str]:
    failed = run.kind != "identity" and unchanged == queries
    said = [*([NOT_TIMED[run.kind]] if run.kind in NOT_TIMED else []), *caveats(run)]
    return [*said, "its order is the first stage's own for every query: a rerank that failed looks like this"] if failed else said


def _defects(shown: ShownList, ranked: Mapping[str, Ranked]) -> Iterator[dict[str, Any]]:
    for query_id, page in shown.queries.items():
        for defect in ranked[query_id].defects if query_id in ranked else ():
            yield {"query": query_id, "page": page, "kind": defect.kind.value, "count": defect.count, "detail": defect.detail}


def _queries(shown: ShownList, run: ShownRun, ranked: Mapping[str, Ranked]) -> Iterator[dict[str, Any]]:
    for candidates in shown.lists:
        query = candidates.query
        values = [of.get(query.id) for of in run.values.values()]
        yield {
            "id": query.id,
            "page": shown.queries[query.id],
            "text": shortened(query.text, _QUERY),
            "values": [("", "") if value is None else (f"{value:.6f}", as_printed(percent(value), 2)) for value in values],
            "defects": sum(defect.count for defect in ranked[query.id].defects) if query.id in ranked else 0,
        }


def _blocks(run: ShownRun) -> list[tuple[str, str, str]]:
    """Heading, what it is, and the facts as YAML."""
    manifest = run.manifest
    found = (
        ("Protocol", "the system as it was resolved, defaults included", {k: v for k, v in manifest["system"].items() if k != "name"}),
        ("Measuring", "what decides the values besides the order", {**manifest["measures"], "batch_queries": manifest["batch_queries"]}),
        ("Data", "where each file was found, and its SHA-256", manifest["data"]),
        ("Identity", f"what the run's id {manifest['id'][:12]} is the hash of", manifest["identity"]),
        ("Environment", "commit, versions and hardware of the process that ranked", manifest["environment"]),
        ("Engine", "where answers came from, and what the engine says of its work", _engine(manifest)),
        ("Files", "SHA-256 of what the run wrote", {"id": manifest["id"], **manifest["files"]}),
    )
    return [(heading, what, _yaml(facts)) for heading, what, facts in found if facts]


def _engine(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: manifest[key] for key in ("answers", "engine_account") if manifest[key]}


def _yaml(facts: Any) -> str:
    return str(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=110)).rstrip()
