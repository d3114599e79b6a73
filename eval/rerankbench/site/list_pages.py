"""The pages of a candidate list: one that compares systems over its queries, and one for every query."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rerankbench.records import CandidateList, Ranked
from rerankbench.site.documents import DocumentFiles, shortened
from rerankbench.site.folder import Writer
from rerankbench.site.model import ShownList, ShownRun
from rerankbench.site.pages import write_page
from rerankbench.site.scripts import provided
from rerankbench.site.sent import SentTexts

_QUERY = 160
_DETAIL, _DEFECTS = 400, 20
_DIGITS = 6


def write(
    writer: Writer, shown: ShownList, ranked: Mapping[str, Mapping[str, Ranked]], store: DocumentFiles, *, texts: bool = True
) -> None:
    """Write them.

    Args:
        ranked: Name of the run → query id → what it made of it.
        store: Where texts go.
        texts: Whether prompts and answers are written.
    """
    write_page(writer, shown.page, "compare.html", shown=shown, first=_first_choice(shown), qrels=_qrels(shown))
    writer.write(f"{shown.folder}/list.js", provided(f"{shown.folder}/list.js", list_data(shown)))
    pages = _QueryPages(writer, shown, store, SentTexts(shown) if texts else None)
    for number, candidates in enumerate(shown.lists):
        of_query = {name: of[candidates.query.id] for name, of in ranked.items() if candidates.query.id in of}
        pages.write(number, of_query)


def list_data(shown: ShownList) -> dict[str, Any]:
    """What all pages of a list share: its systems, its queries, and every value.

    ``values`` holds a measure's values by system and query, null where there is none.
    """
    return {
        "measures": list(shown.measures),
        "systems": [_system(run, shown.measures) for run in shown.runs],
        "queries": [
            {"id": c.query.id, "page": shown.queries[c.query.id].rpartition("/")[2], "text": shortened(c.query.text, _QUERY)}
            for c in shown.lists
        ],
        "values": [[_values(shown, run, measure) for run in shown.runs] for measure in shown.measures],
    }


def cutoff(measure: str) -> int:
    """The rank down to which a measure looks; 0 for one that looks at all."""
    found = re.search(r"@(\d+)$", measure)
    return int(found.group(1)) if found else 0


def _qrels(shown: ShownList) -> str:
    """The file of judgements, as the runs' manifests name it."""
    return next((str(run.manifest["data"]["qrels"]["place"]) for run in shown.runs), "FILE")


def _system(run: ShownRun, measures: tuple[str, ...]) -> dict[str, Any]:
    means = [math.fsum(of) / len(of) if (of := list(run.values.get(m, {}).values())) else None for m in measures]
    rounded = [None if value is None else round(value, _DIGITS) for value in means]
    return {
        "key": run.name,
        "label": run.label,
        "page": run.page,
        "path": run.path,
        "kind": run.kind,
        "caveat": run.caveat,
        "means": rounded,
    }


def _values(shown: ShownList, run: ShownRun, measure: str) -> list[float | None]:
    of = run.values.get(measure, {})
    return [round(of[c.query.id], _DIGITS) if c.query.id in of else None for c in shown.lists]


def _first_choice(shown: ShownList) -> tuple[str, str]:
    """What is compared until something else is chosen: the first two systems that rerank, else whatever there is."""
    rerankers = [run.name for run in shown.runs if run.kind not in {"identity", "oracle"}]
    others = [run.name for run in shown.runs if run.name not in rerankers]
    chosen = ([*others[:1], *rerankers[:1]] if len(rerankers) < 2 else rerankers)[:2]
    return (chosen[0], chosen[-1]) if chosen else ("", "")


@dataclass(frozen=True)
class _QueryPages:
    """Writes the pages of queries; `sent` is None where prompts and answers are left out."""

    writer: Writer
    shown: ShownList
    store: DocumentFiles
    sent: SentTexts | None

    def write(self, number: int, ranked: Mapping[str, Ranked]) -> None:
        shown, candidates = self.shown, self.shown.lists[number]
        pages = list(shown.queries.values())
        judged = shown.qrels.get(candidates.query.id)
        block = self._block(number, candidates, ranked)
        write_page(
            self.writer,
            pages[number],
            "query.html",
            shown=shown,
            query=candidates.query,
            rows=self._rows(candidates),
            judged=judged is not None,
            relevant=sum(grade > 0 for grade in (judged or {}).values()),
            before=pages[number - 1] if number else "",
            after=pages[number + 1] if number + 1 < len(pages) else "",
            number=number,
            first=_first_choice(shown),
            cutoff=cutoff(shown.measures[0]),
            block=block,
        )

    def _block(self, number: int, candidates: CandidateList, ranked: Mapping[str, Ranked]) -> dict[str, Any]:
        """The data in the page: orders of all systems, and where texts, prompts and answers are loaded from."""
        return {
            "list": f"{self.shown.folder}/list.js",
            "documents": self.store.folder,
            "sent": self._sent(candidates, ranked),
            "query": number,
            "places": [self.store.place(document) for document in candidates.documents],
            "ranked": [_ranked(candidates, ranked.get(run.name)) for run in self.shown.runs],
        }

    def _rows(self, candidates: CandidateList) -> list[dict[str, Any]]:
        query, excluded = candidates.query.id, self.shown.excluded
        grades = self.shown.qrels.get(query, {})
        return [
            {
                "id": document.id,
                "grade": grades.get(document.id),
                "excerpt": self.store.excerpt(document),
                "has_text": document.text is not None,
                "excluded": bool(excluded and excluded.excludes(query, document.id)),
            }
            for document in candidates.documents
        ]

    def _sent(self, candidates: CandidateList, ranked: Mapping[str, Ranked]) -> str:
        """Write what was sent for a query; returns the file's path, empty where there is none."""
        found = self.sent.of(candidates, ranked) if self.sent else None
        if found is None:
            return ""
        page = self.shown.queries[candidates.query.id]
        path = page.replace("/queries/", "/sent/").removesuffix(".html") + ".js"
        self.writer.write(path, provided(path, found))
        return path


def _ranked(candidates: CandidateList, ranked: Ranked | None) -> dict[str, Any] | None:
    """A system's order as positions in the candidate list, and its defects."""
    if ranked is None:
        return None
    positions = {document.id: position for position, document in enumerate(candidates.documents)}
    defects = [[d.kind.value, d.count, shortened(d.detail, _DETAIL)] for d in ranked.defects]
    order = [positions[doc_id] for doc_id in ranked.ranking.doc_ids]
    return {"order": order, "defects": defects[:_DEFECTS], "more_defects": max(0, len(defects) - _DEFECTS)}
