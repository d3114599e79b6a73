"""Look a file of candidate lists over: everything that is wrong with it at once, and what is worth knowing. Measures nothing.

A rule that reading enforces (ranks, falling scores, nothing twice) is counted here over the whole file, where reading stops at
the first breach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from rerankbench.errors import DataError
from rerankbench.first_stages.formats import Form, Listed, open_listed
from rerankbench.first_stages.listfile import read_manifest, sha256_of

WORD_LIMIT = 1024
"""Words of a document that the paper's protocol keeps."""

_EXAMPLES = 5
_UNREADABLE = "the file cannot be read to its end"
_TWO_LISTS = "a query has two lists"
_REPEATED = "a document stands twice in a list"
_NO_ORDER = frozenset({_UNREADABLE, _TWO_LISTS, _REPEATED})


@dataclass(frozen=True, slots=True)
class Finding:
    """How often one thing occurs in a file.

    Attributes:
        is_wrong: Whether the file cannot be used as it is; else it is only worth knowing.
        examples: The first few, for a person.
    """

    what: str
    count: int
    is_wrong: bool
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileReport:
    """What `check` found.

    Attributes:
        form: None where the content is of no known form.
        depth_min, depth_max: Documents of the shortest and of the longest list.
        findings: Those that occur; what is wrong comes first.
    """

    path: Path
    form: Form | None
    sha256: str
    bytes: int
    queries: int
    documents: int
    depth_min: int
    depth_max: int
    findings: tuple[Finding, ...]

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong; there may still be things worth knowing."""
        return not any(finding.is_wrong for finding in self.findings)

    @property
    def is_unusable(self) -> bool:
        """Whether there is not one order a query to be had."""
        return any(finding.what in _NO_ORDER for finding in self.findings)


def check(
    path: Path,
    *,
    queries: Collection[str] | None = None,
    expected_sha256: str | None = None,
    depth: int | None = None,
    form: Form | None = None,
) -> FileReport:
    """Look a file over.

    Args:
        queries: The ids that ought to have a list; qrels will do. None: nothing is said about that.
        expected_sha256: What the file's bytes ought to hash to, in hexadecimal. The manifest beside the file is compared anyway.
        depth: How deep the lists ought to be. None: as deep as the deepest.
        form: Overrides what the content says.

    Raises:
        MissingData: there is no such file. Everything else that is wrong is a finding.
    """
    tally = _Tally()
    found: Form | None = None
    try:
        found, listed = open_listed(path, form)
        for each in listed:
            tally.add(each, found)
    except DataError as error:
        tally.note(_UNREADABLE, error.message, wrong=True)
    digest = sha256_of(path)
    _compare_hashes(tally, path, digest, expected_sha256)
    if queries is not None:
        tally.compare_queries(queries)
    tally.compare_depths(depth)
    depths = tally.depths.values()
    return FileReport(
        path,
        found,
        digest,
        path.stat().st_size,
        len(depths),
        sum(depths),
        min(depths, default=0),
        max(depths, default=0),
        tuple(tally.findings()),
    )


def _compare_hashes(tally: _Tally, path: Path, digest: str, expected: str | None) -> None:
    if expected is not None and digest != expected.lower():
        tally.note("the SHA-256 is not the expected one", f"expected {expected}", wrong=True)
    try:
        manifest = read_manifest(path)
    except DataError as error:
        tally.note("the manifest beside the file is damaged", error.message, wrong=True)
        return
    if manifest is not None and manifest.sha256 != digest:
        tally.note("the file was changed since its manifest was written", f"manifest: {manifest.sha256}", wrong=True)


@dataclass
class _Tally:
    """What was found so far: by its name, how often, whether it is wrong, and examples."""

    depths: dict[str, int] = field(default_factory=dict)
    _counts: Counter[tuple[bool, str]] = field(default_factory=Counter)
    _examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, what: str, *examples: str, wrong: bool = False) -> None:
        """Count `what` once for every example."""
        self._counts[not wrong, what] += len(examples)
        kept = self._examples.setdefault(what, [])
        kept.extend(examples[: _EXAMPLES - len(kept)])

    def findings(self) -> Iterator[Finding]:
        for (is_right, what), count in sorted(self._counts.items(), key=lambda item: item[0][0]):
            if count:
                yield Finding(what, count, not is_right, tuple(self._examples[what]))

    def add(self, listed: Listed, form: Form) -> None:
        query = repr(listed.query_id)
        if listed.query_id in self.depths:
            self.note(_TWO_LISTS, f"{query} ({listed.place})", wrong=True)
        self.depths[listed.query_id] = len(listed.documents)
        if not listed.documents:
            self.note("a list is empty", query)
        if listed.query_text is not None and not listed.query_text.strip():
            self.note("the text of a query is empty", query)
        self._order(listed, query)
        self._documents(listed, query, bare=form is Form.TREC)

    def _order(self, listed: Listed, query: str) -> None:
        if listed.ranks is not None and listed.ranks != tuple(range(1, len(listed.documents) + 1)):
            self.note("ranks are not 1, 2, 3 …", query, wrong=True)
        scores = [score for score in listed.scores if score is not None]
        if len(scores) < len(listed.documents):
            self.note("documents have no score", *[query] * (len(listed.documents) - len(scores)), wrong=bool(scores))
        if any(later > earlier for earlier, later in pairwise(scores)):
            self.note("scores rise along the ranks", query, wrong=True)
        with np.errstate(over="ignore"):
            single = np.array(scores).astype(np.float32)  # where trec_eval would order by id
        ids = [listed.documents[int(position) + 1].id for position in np.flatnonzero(single[1:] == single[:-1])]
        self.note("a score equals the one before it", *(f"{query}: {doc_id!r}" for doc_id in ids))

    def _documents(self, listed: Listed, query: str, *, bare: bool) -> None:
        repeated = Counter(document.id for document in listed.documents)
        self.note(_REPEATED, *(f"{query}: {i!r}" for i, n in repeated.items() if n > 1), wrong=True)
        for document in listed.documents:
            where = f"{query}: {document.id!r}"
            if any(character.isspace() for character in document.id):
                self.note("a document id holds white space", where)
            if document.text is None:
                self.note("a document has no text", where, wrong=not bare)
            elif not (words := len(document.contents.split())):
                self.note("a document is empty", where)
            elif words > WORD_LIMIT:
                self.note(f"a document has more than {WORD_LIMIT:,} words", f"{where} ({words:,})")

    def compare_queries(self, queries: Collection[str]) -> None:
        self.note("a query has no list", *(repr(q) for q in queries if q not in self.depths), wrong=True)
        self.note("a list belongs to no expected query", *(repr(q) for q in self.depths if q not in queries))

    def compare_depths(self, depth: int | None) -> None:
        deepest = max(self.depths.values(), default=0)
        if depth is not None and deepest < depth:
            self.note(f"no list is {depth:,} deep", f"the deepest has {deepest:,}", wrong=True)
        wanted = deepest if depth is None else depth
        self.note(f"a list is less than {wanted:,} deep", *(f"{q!r} ({n:,})" for q, n in self.depths.items() if n < wanted))
