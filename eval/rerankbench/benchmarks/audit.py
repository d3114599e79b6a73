"""What is in a benchmark's data: what is missing, repeated, empty or too long, and how much each first stage leaves to gain.

The **ceiling** of a first stage is the nDCG@10 of its candidates in their ideal order: no reranker of these lists gets above.
Reads through a collection and changes nothing; what is not at hand is said to be not audited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from rerankbench.benchmarks.catalog import Counts, QueryForm
from rerankbench.benchmarks.exclusions import Exclusions, without_excluded
from rerankbench.benchmarks.scan import LONG_WORDS, Documents, Scan, has_blank
from rerankbench.errors import DataError, MeasureError, MissingError
from rerankbench.measures.quality import measure
from rerankbench.protocols import Corpus
from rerankbench.records import CandidateList, Qrels, Query, Ranking
from rerankbench.trec import Run

EXAMPLES = 3

QUALITY, JUDGED = "nDCG@10", "Judged@10"
_NOT_AT_HAND = (MissingError, DataError)


class Audited(Protocol):
    """What `Collection` and `OwnCollection` offer to an audit."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def relevant(self) -> int: ...
    @property
    def counts(self) -> Counts: ...

    def qrels(self) -> Qrels: ...
    def queries(self, form: QueryForm = "original") -> Sequence[Query]: ...
    def deepest(self, first_stage: str) -> int | None: ...
    def candidates(self, first_stage: str, depth: int) -> Sequence[CandidateList]: ...
    def corpus(self, *, fetch: bool = True) -> Corpus: ...
    def excluded(self, *, fetch: bool = True) -> Exclusions | None: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One question about the data, and the answer.

    Attributes:
        count: How many; None where it could not be audited.
        of: Among how many; None where that says nothing.
        examples: The first few ids.
        note: Over what it was counted, or why it was not.
    """

    what: str
    count: int | None
    of: int | None = None
    examples: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class ListAudit:
    """The lists of one first stage.

    Attributes:
        depth: Documents a list, at most.
        measures: Means over all judged queries, one without a list counting 0: nDCG@10, the ceiling (``ceiling``), recall at the
            depth and Judged@10. Empty where lists or judgements are not at hand.
        without_list: Judged queries that have none.
        excluded: Excluded documents in the lists; None where the benchmark excludes none, or it is not known which.
        other_query_text: Queries whose text in the lists is not the benchmark's own, blanks aside; None where it is not known.
        has_text: Whether the documents' texts are at hand.
        problem: Why the lists could not be audited; else empty.
    """

    first_stage: str
    depth: int
    lists: int = 0
    measures: Mapping[str, float] | None = None
    without_list: int | None = None
    excluded: int | None = None
    other_query_text: int | None = None
    has_text: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """
    Attributes:
        scanned: Which documents were read for the findings about documents.
    """

    benchmark: str
    title: str
    licence: str
    scanned: str
    findings: tuple[Finding, ...]
    lists: tuple[ListAudit, ...]

    @property
    def not_audited(self) -> tuple[str, ...]:
        """What could not be audited, and why: one line a reason."""
        questions: dict[str, list[str]] = {}
        for what, why in [(f.what, f.note) for f in self.findings if f.count is None]:
            questions.setdefault(why, []).append(what)
        lists = [f"{each.first_stage} lists: {each.problem}" for each in self.lists if each.problem]
        return (*(f"{', '.join(what)}: {why}" for why, what in questions.items()), *lists)

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "not_audited": list(self.not_audited)}


def audit(collection: Audited, first_stages: Sequence[str], *, depth: int = 100, fetch: bool = False) -> AuditReport:
    """Audit a benchmark.

    Args:
        depth: Documents a list; lists at hand that are shallower are taken as they are.
        fetch: Whether documents and exclusions may be fetched, which may be gigabytes.

    Raises:
        ConfigError: there is no first stage of one of these names.
    """
    known = _Known.of(collection, fetch=fetch)
    audits, listed = [], {}
    for first_stage in first_stages:
        facts, lists = _list_audit(collection, first_stage, depth, known)
        audits.append(facts)
        listed[first_stage] = lists
    documents = _documents_of(known, listed)
    try:
        about_documents = _document_findings(collection, known, listed, documents)
    except DataError as error:
        about_documents = [Finding("documents", None, note=error.message)]
    findings = (*_judgement_findings(known), *about_documents, _exclusion_finding(known, audits))
    return AuditReport(collection.name, collection.title, collection.licence, documents.described, findings, tuple(audits))


def ceiling(lists: Iterable[CandidateList], qrels: Qrels) -> list[Ranking]:
    """The ideal order of each list: by falling grade, equal grades in the first stage's order, the unjudged as grade 0."""
    return [Ranking.by_score(c, [float(qrels.get(c.query.id, {}).get(d.id, 0)) for d in c.documents]) for c in lists]


@dataclass(frozen=True)
class _Known:
    """What of a benchmark is at hand; the reason stands under the attribute's name in `problems` where it is not."""

    qrels: Qrels | None
    queries: Sequence[Query] | None
    corpus: Corpus | None
    exclusions: Exclusions | None
    problems: Mapping[str, str]

    @classmethod
    def of(cls, collection: Audited, *, fetch: bool) -> _Known:
        problems: dict[str, str] = {}

        def attempt(what: str, get: Callable[[], Any]) -> Any:
            try:
                return get()
            except _NOT_AT_HAND as error:
                problems[what] = f"{error.message} To get it: {error.hint}" if error.hint else error.message
                return None

        return cls(
            qrels=attempt("qrels", collection.qrels),
            queries=attempt("queries", collection.queries),
            corpus=attempt("corpus", lambda: collection.corpus(fetch=fetch)),
            exclusions=attempt("exclusions", lambda: collection.excluded(fetch=fetch)),
            problems=problems,
        )


def _list_audit(collection: Audited, first_stage: str, depth: int, known: _Known) -> tuple[ListAudit, Sequence[CandidateList]]:
    try:
        depth = min(depth, collection.deepest(first_stage) or depth)
        lists = collection.candidates(first_stage, depth)
        measures = None if known.qrels is None else _measures(lists, known.qrels, depth, collection.relevant)
    except (*_NOT_AT_HAND, MeasureError) as error:
        return ListAudit(first_stage, depth, problem=error.message), ()
    own = {query.id: " ".join(query.text.split()) for query in known.queries or ()}
    differing = sum(own.get(c.query.id) != " ".join(c.query.text.split()) for c in lists)
    return ListAudit(
        first_stage,
        depth,
        len(lists),
        measures=measures,
        without_list=None if known.qrels is None else len(known.qrels.keys() - {c.query.id for c in lists}),
        excluded=None if known.exclusions is None else without_excluded(lists, known.exclusions)[1],
        other_query_text=None if known.queries is None else differing,
        has_text=all(c.has_text for c in lists),
    ), lists


def _measures(lists: Sequence[CandidateList], qrels: Qrels, depth: int, relevant: int) -> dict[str, float]:
    recall = f"R(rel={relevant})@{depth}" if relevant > 1 else f"R@{depth}"
    as_listed = Run.of(Ranking(c.query.id, tuple(d.id for d in c.documents)) for c in lists if c.documents)
    ideal = Run.of(ranking for ranking in ceiling(lists, qrels) if ranking.doc_ids)
    means = dict(measure(as_listed, qrels, [QUALITY, recall, JUDGED], missing="zero").means)
    return {**means, "ceiling": measure(ideal, qrels, [QUALITY], missing="zero").means[QUALITY]}


def _judgement_findings(known: _Known) -> list[Finding]:
    if known.qrels is None:
        return [Finding("judged queries without a relevant document", None, note=known.problems["qrels"])]
    without = [query_id for query_id, grades in known.qrels.items() if max(grades.values(), default=0) <= 0]
    return [Finding("judged queries without a relevant document", len(without), len(known.qrels), tuple(without[:EXAMPLES]))]


def _documents_of(known: _Known, listed: Mapping[str, Sequence[CandidateList]]) -> Documents:
    if known.corpus is not None:
        return Documents(known.corpus.documents, "the corpus")
    with_text = {d.id: d for lists in listed.values() for c in lists for d in c.documents if d.text is not None}
    return Documents(lambda: iter(with_text.values()), "the candidate lists" if with_text else "")


def _document_findings(
    collection: Audited, known: _Known, listed: Mapping[str, Sequence[CandidateList]], documents: Documents
) -> list[Finding]:
    judged = dict.fromkeys(doc_id for grades in (known.qrels or {}).values() for doc_id in grades)
    candidates = dict.fromkeys(d.id for lists in listed.values() for c in lists for d in c.documents)
    lacking = "judged documents that the corpus lacks", "listed documents that the corpus lacks"
    contents = f"documents over {LONG_WORDS:,} words", "empty documents", "documents that share their text with another"
    if not documents.described:
        none = [Finding(what, None, note=known.problems.get("corpus", "no documents are at hand")) for what in (*lacking, *contents)]
        return [*none, _blank_finding([*judged, *candidates], "ids of judgements and candidate lists")]
    scan = Scan.of(documents)
    over = f"over {documents.described}"
    found = [Finding(what, len(ids), scan.total, tuple(ids[:EXAMPLES]), over) for what, ids in zip(contents, scan.ids, strict=True)]
    if known.corpus is None:
        missing = [Finding(what, None, note=known.problems["corpus"]) for what in lacking]
        return [*missing, *found, _blank_finding([*judged, *candidates], "ids of judgements and candidate lists")]
    return [
        _size_finding(scan.total, collection.counts.documents),
        Finding("document ids that stand more than once", len(scan.twice), scan.total, tuple(scan.twice[:EXAMPLES]), over),
        *_lacking_findings(documents, dict(zip(lacking, (judged, candidates), strict=True))),
        *found,
        _blank_finding([*judged, *candidates, *scan.blank], "ids of judgements, candidate lists and corpus"),
    ]


def _size_finding(total: int, pinned: int | None) -> Finding:
    if pinned is None or total == pinned:
        return Finding("documents", total, note="" if pinned is None else "as many as there should be")
    return Finding("documents", total, pinned, note=f"there should be {pinned:,}: another version, or a part")


def _lacking_findings(documents: Documents, wanted: Mapping[str, Mapping[str, None]]) -> list[Finding]:
    left = {what: dict(ids) for what, ids in wanted.items()}
    for document in documents.each():
        for ids in left.values():
            ids.pop(document.id, None)
    return [Finding(what, len(ids), len(wanted[what]), tuple(ids)[:EXAMPLES]) for what, ids in left.items()]


def _blank_finding(ids: Iterable[str], note: str) -> Finding:
    blank = list(dict.fromkeys(doc_id for doc_id in ids if has_blank(doc_id)))
    return Finding("document ids with white space", len(blank), examples=tuple(blank[:EXAMPLES]), note=note)


def _exclusion_finding(known: _Known, audits: Sequence[ListAudit]) -> Finding:
    what = "excluded documents in candidate lists"
    if "exclusions" in known.problems:
        return Finding(what, None, note=known.problems["exclusions"])
    if known.exclusions is None:
        return Finding(what, 0, note="this benchmark excludes none")
    return Finding(
        what, sum(each.excluded or 0 for each in audits), note=f"{len(known.exclusions):,} pairs of query and document are excluded"
    )
