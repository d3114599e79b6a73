"""What a task of mteb holds, written once as plain files, whole or not at all. Knows no mteb: it is handed what to write.

``corpus.jsonl``, ``queries.jsonl`` and ``qrels/SPLIT.tsv`` are a BEIR folder; beside them stand, where the task has them, its own
candidates (``given.jsonl``, a file of candidate lists with texts) and the documents that must not count for a query (``exclude.txt``).
``task.json`` says what the files are and how they came about.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import SupportsIndex, cast

import orjson

from rerankbench.benchmarks.exclusions import joined
from rerankbench.benchmarks.sources import sha256_of
from rerankbench.config import Options, validate
from rerankbench.errors import ConfigError, DataError, DataMismatch, StoreError
from rerankbench.first_stages.listfile import manifest_path, write_lists
from rerankbench.records import CandidateList, Document, Qrels, Query

FOLDER = "mteb-tasks"
"""Of all tasks, in the cache folder."""
FACTS, LISTS, EXCLUDED = "task.json", "given.jsonl", "exclude.txt"
_BREAKS = re.compile(r"[\t\n\v\f\r\0]")
_WHITE = re.compile(r"[ \t\n\v\f\r\0]")


@dataclass(frozen=True)
class TaskContent:
    """What a task holds.

    Attributes:
        documents: Taken once, one by one.
        queries: In the task's order.
        qrels: Judgements of other queries than these are left out, and counted.
        lists: Query id → its candidates' ids in the order in which rankers meet them; None where all documents are searched.
        without_itself: Whether a document that has the id of a query must not count for it.
    """

    documents: Iterable[Document]
    queries: Sequence[Query]
    qrels: Qrels
    lists: Mapping[str, Sequence[str]] | None = None
    without_itself: bool = False


class TaskFacts(Options):
    """What is known of a written task.

    Attributes:
        mteb: The version of mteb that read it; empty for a task of the local suite.
        unasked: Judged queries of the data that have no text there. mteb evaluates without them, and so they are left out.
        files: File → SHA-256 of all files but the corpus, whose reader hashes its texts.
        corpus_bytes: Of the corpus file.
    """

    task: str
    type: str
    revision: str
    split: str
    subset: str
    mteb: str = ""
    licence: str = ""
    documents: int = 0
    queries: int = 0
    unasked: int = 0
    files: dict[str, str] = {}
    corpus_bytes: int = 0

    @property
    def source(self) -> str:
        """In words, the same on every machine."""
        return f"mteb {self.task}@{self.revision} ({self.subset}, {self.split})"


def write_task(folder: Path, facts: TaskFacts, content: TaskContent) -> None:
    """Write a task into `folder`, which does not exist yet or was written by another process meanwhile.

    Args:
        facts: What the writing itself finds out is filled in.

    Raises:
        DataError: the task cannot be written so that it could be read back, or is none: an id that no run file can hold, an id that
            occurs twice, a candidate that is not in the corpus, no judged query.
        StoreError: the operating system refuses.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True) as beside:
            own = Path(beside) / folder.name
            own.mkdir()
            _write(own, facts, content)
            if not folder.is_dir():
                own.rename(folder)
    except OSError as error:
        if not (folder / FACTS).is_file():  # else another process was faster, and what it wrote is the same
            hint = "Make room, or let RERANKBENCH_CACHE name another folder."
            raise StoreError(f"{folder}: cannot be written: {error.strerror or error}.", hint=hint) from error


def read_facts(folder: Path) -> TaskFacts:
    """
    Raises:
        DataError: the folder was not written by `write_task`, or is damaged.
        DataMismatch: its queries, or the size of its corpus, were changed; of what else it holds the reader sees to that.
    """
    file = folder / FACTS
    try:
        facts = validate(TaskFacts, orjson.loads(file.read_bytes()), lambda key: f"{file}: {'.'.join(map(str, key))}")
        size = (folder / "corpus.jsonl").stat().st_size
        queries = sha256_of(folder / "queries.jsonl")
    except (OSError, orjson.JSONDecodeError, ConfigError) as error:
        raise DataError(f"{folder}: is no whole task: {error}.", hint=f"Delete {folder}: it is written again.") from error
    changed = "corpus" if size != facts.corpus_bytes else "queries" if queries != facts.files.get("queries.jsonl") else ""
    if changed:
        raise DataMismatch(f"{folder}/{changed}.jsonl is not as it was written.", hint=f"Delete {folder}: it is written again.")
    return facts


def qrels_name(facts: TaskFacts) -> str:
    return f"qrels/{facts.split}.tsv"


def _write(folder: Path, facts: TaskFacts, content: TaskContent) -> None:
    judged = {query.id for query in content.queries if content.qrels.get(query.id)}
    queries = [query for query in content.queries if query.id in judged]
    where = f"Task {facts.task}"
    if not queries:
        raise DataError(f"{where} ({facts.subset}, {facts.split}): no query has both a text and a judgement.")
    _check_ids(where, "query", [query.id for query in queries], _WHITE)
    wanted = {id_ for query in queries for id_ in (content.lists or {}).get(query.id, ())}
    known, found = set[str](), dict[str, Document]()

    def lines() -> Iterator[bytes]:
        for document in content.documents:
            if document.id in known:
                raise DataError(f"{where}: document id {document.id!r} occurs more than once.")
            known.add(document.id)
            if document.id in wanted:
                found[document.id] = document
            yield _line({"_id": document.id, "title": document.title, "text": document.text})

    with (folder / "corpus.jsonl").open("wb") as file:
        file.writelines(lines())
    _check_ids(where, "document", known, _BREAKS)
    (folder / "queries.jsonl").write_bytes(b"".join(_line({"_id": query.id, "text": query.text}) for query in queries))
    _write_qrels(folder / qrels_name(facts), where, queries, content.qrels)
    if content.lists is not None:
        lists = _candidate_lists(where, queries, content.lists, found)
        write_lists(folder / LISTS, lists, source=facts.source)
        (folder / f".{LISTS}.lock").unlink(missing_ok=True)
    if content.without_itself:
        _write_excluded(folder / EXCLUDED, where, judged, known)
    filled = {
        "documents": len(known),
        "queries": len(queries),
        "unasked": sum(1 for id_, grades in content.qrels.items() if grades and id_ not in judged),
        "corpus_bytes": (folder / "corpus.jsonl").stat().st_size,
        "files": {path.relative_to(folder).as_posix(): sha256_of(path) for path in _hashed(folder)},
    }
    (folder / FACTS).write_bytes(orjson.dumps(facts.model_copy(update=filled).model_dump(), option=orjson.OPT_INDENT_2) + b"\n")


def _write_qrels(path: Path, where: str, queries: Sequence[Query], qrels: Qrels) -> None:
    path.parent.mkdir()
    rows = ["query-id\tcorpus-id\tscore\n"]
    for query in queries:  # in their order, for that of mteb's own mapping changes from one reading to the next
        _check_ids(where, "document", qrels[query.id], _BREAKS)
        rows += [f"{query.id}\t{document}\t{_whole(where, grade)}\n" for document, grade in qrels[query.id].items()]
    path.write_bytes("".join(rows).encode())


def _whole(where: str, grade: object) -> int:
    try:
        return index(cast("SupportsIndex", grade))
    except TypeError as error:
        raise DataError(f"{where}: the grade {grade!r} is no whole number.") from error


def _write_excluded(path: Path, where: str, queries: set[str], documents: set[str]) -> None:
    """The document with a query's id, for all queries that have one; no file where none has."""
    blanks = [id_ for id_ in documents if " " in id_ and joined(id_) in queries]
    if blanks:  # the house's exclusions take a blank for a low line, and would drop this document as well
        raise DataError(f"{where}: document {blanks[0]!r} cannot be told from the document of query {joined(blanks[0])!r}.")
    pairs = [f"{id_}\t{id_}\n" for id_ in sorted(queries & documents)]
    if pairs:
        path.write_bytes("".join(pairs).encode())


def _candidate_lists(
    where: str, queries: Sequence[Query], lists: Mapping[str, Sequence[str]], found: Mapping[str, Document]
) -> Iterator[CandidateList]:
    for query in queries:
        ids = lists.get(query.id)
        if not ids:
            raise DataError(f"{where}: query {query.id!r} has no candidates.")
        absent = [id_ for id_ in ids if id_ not in found]
        if absent:
            raise DataError(f"{where}, query {query.id!r}: its candidate {absent[0]!r} is not in the corpus.")
        # Falling by one, for no scores come with the order.
        yield CandidateList(query, tuple(found[id_] for id_ in ids), tuple(float(len(ids) - place) for place in range(len(ids))))


def _check_ids(where: str, what: str, ids: Iterable[str], forbidden: re.Pattern[str]) -> None:
    """Raises: DataError: one could not stand in a file of judgements or in a run."""
    seen = set()
    for id_ in ids:
        if not id_ or id_ != id_.strip() or forbidden.search(id_):
            raise DataError(f"{where}: the {what} id {id_!r} is empty, or has white space that no run file can hold.")
        if id_ in seen:
            raise DataError(f"{where}: {what} id {id_!r} occurs more than once.")
        seen.add(id_)


def _hashed(folder: Path) -> list[Path]:
    """All files but the corpus and the manifest of the lists, which says what the lists' own hash is."""
    rest = {"corpus.jsonl", manifest_path(Path(LISTS)).name}
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in rest)


def _line(record: Mapping[str, object]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
