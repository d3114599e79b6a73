"""Anserini's own programs, each run as a subprocess: index, search, and what an index holds. Knows no workspace and no option model.

Its programs report many failures with exit code 0 and a line of text, so each call here also checks that its output is there and
that its counts add up. Tried with Anserini 1.7.1 (Lucene 9.9), whose jar comes inside the package ``pyserini`` 1.6.0.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from rerankbench.errors import DataError, EngineError, MissingData, MissingError, MissingExtra
from rerankbench.first_stages.java import Java, find_java
from rerankbench.records import Document

_KEPT_OUTPUT = 1 << 20
_BATCH = 10_000
_STACK_TRACE = re.compile(r"^\tat ", re.MULTILINE)
_JAVA_BLANK = re.compile(r"[ \t\n\x0b\f\r]")


@dataclass(frozen=True)
class Indexed:
    """What became of the documents that were given to the indexer, as it counts them.

    Attributes:
        empty: Documents without a character but white space in what is indexed as ``contents``; Anserini leaves them out.
    """

    indexed: int
    empty: int
    unindexable: int
    skipped: int
    errors: int


@dataclass(frozen=True)
class IndexFacts:
    """What an index says of itself.

    Attributes:
        documents: All that it holds.
        with_field: Those with a word in the field that was asked about.
    """

    documents: int
    with_field: int


@dataclass(frozen=True)
class Anserini:
    """The jar and the Java that runs it.

    Attributes:
        heap: Largest heap of the JVM, e.g. ``"4g"``.
    """

    java: Java
    jar: Path
    heap: str = "4g"

    @classmethod
    def find(cls, heap: str = "4g") -> Anserini:
        """Raises: MissingExtra: pyserini is not installed. MissingError: there is no fit Java."""
        return cls(find_java(), find_jar(), heap)

    @property
    def version(self) -> str:
        return jar_version(self.jar)

    def run(self, program: str, *arguments: str, hold: Sequence[int] = ()) -> str:
        """Run one program of the jar.

        Args:
            program: Class name below ``io.anserini``.
            hold: File descriptors that the JVM keeps open while it lives: a lock is then held until the JVM has ended, even
                when this process is killed first.

        Returns:
            The last mebibyte of what it wrote to standard output and standard error.

        Raises:
            EngineError: it could not be started, or ended with an exit code other than 0; holds its last lines.
        """
        command = [*self.java.command(self.jar, self.heap), f"io.anserini.{program}", *arguments]
        # In a POSIX locale Java cannot open a file whose name is not ASCII.
        environ = {**os.environ, "LC_ALL": "C.UTF-8"}
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ, pass_fds=hold, check=False
                )
            except OSError as error:
                raise EngineError(f"{self.java.path} could not be started: {error}.") from error
            output.seek(max(0, output.seek(0, os.SEEK_END) - _KEPT_OUTPUT))
            text = output.read().decode("utf-8", "replace")
        if done.returncode:
            raise self._failure(program, f"ended with exit code {done.returncode}", text)
        return text

    def index(
        self,
        source: Path,
        index: Path,
        *options: str,
        collection: str = "BeirFlatCollection",
        generator: str = "DefaultLuceneDocumentGenerator",
        threads: int = 2,
        hold: Sequence[int] = (),
    ) -> Indexed:
        """Index the folder `source` into the folder `index`.

        Args:
            options: Any further ones of ``io.anserini.index.IndexCollection``, e.g. ``"-storeRaw"``.

        Raises:
            EngineError: it failed, or did not say what it counted.
        """
        program = "index.IndexCollection"
        buffer = max(64, min(_megabytes(self.heap) // 4, 1900))  # its default of 4 GB is more than the heap holds
        places = ["-collection", collection, "-input", str(source), "-index", str(index), "-generator", generator]
        text = self.run(program, *places, "-threads", str(threads), "-memoryBuffer", str(buffer), *options, hold=hold)
        counts = {name: _count(text, rf"\b{name}: +([\d,]+)$") for name in Indexed.__annotations__}
        if None in counts.values():
            raise self._failure(program, "did not say what it counted", text)
        return Indexed(**{name: count or 0 for name, count in counts.items()})

    def search(
        self, index: Path, queries: Path, run: Path, *options: str, reader: str = "TsvString", depth: int = 1000, threads: int = 2
    ) -> int:
        """Search every query of a file and write a run. A query without a match has no line in it.

        Args:
            queries: In the form that `reader`, a topic reader of Anserini, expects. In a TSV file a query without text
                makes the whole file unreadable.
            options: Of ``io.anserini.search.SearchCollection``: the model and its parameters, e.g. ``"-bm25"``.

        Returns:
            The number of queries that were searched.

        Raises:
            EngineError: it failed, for one query or for all.
        """
        program = "search.SearchCollection"
        run.unlink(missing_ok=True)
        places = ["-index", str(index), "-topics", str(queries), "-topicReader", reader, "-output", str(run)]
        text = self.run(program, *places, "-hits", str(depth), "-threads", str(threads), *options)
        searched = _count(text, r"\b([\d,]+) queries processed in ")  # without "in" it tells of its progress
        # It ends with exit code 0 when the index or the queries cannot be read, and then leaves no run.
        if searched is None or not run.is_file():
            raise self._failure(program, "wrote no run", text)
        # A query that fails (more than 1,024 terms, say) gets a stack trace and an empty list, and the others go on.
        if _STACK_TRACE.search(text):
            raise self._failure(program, "failed for a query", text)
        return searched

    def facts(self, index: Path, field: str = "contents") -> IndexFacts:
        """Open an index and count its documents. A flat index has none with a word in the field ``title``.

        Raises:
            EngineError: it cannot be opened.
        """
        program = "index.IndexReaderUtils"
        text = self.run(program, "-index", str(index), "-stats", "-field", field)
        documents, with_field = _count(text, r"^documents: +([\d,]+)$"), _count(text, r"^documents \(non-empty\): +([\d,]+)$")
        if documents is None or with_field is None:
            raise self._failure(program, f"did not count the documents of {index}", text)
        return IndexFacts(documents, with_field)

    def document_ids(self, index: Path) -> Iterator[str]:
        """Every document id of an index, in the index's own order."""
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "lengths.tsv"
            self.run("util.ExtractDocumentLengths", "-index", str(index), "-output", str(table))
            with table.open("rb") as lines:
                next(lines)  # the names of its columns: number, id, then four counts
                for line in lines:
                    yield line.split(b"\t", 1)[1].rsplit(b"\t", 4)[0].decode()

    def documents(self, index: Path, ids: Collection[str]) -> dict[str, Document]:
        """The stored texts of some documents; an id that the index lacks is left out.

        The index must have been built with ``-storeRaw``, as the prebuilt ones that are not called slim are.

        Raises:
            MissingData: the index stores no texts.
            DataError: an id holds white space (Anserini's program splits its lines there), or a stored text is of an unknown form.
        """
        blank = next((i for i in ids if _JAVA_BLANK.search(i)), None)
        if blank is not None:
            raise DataError(
                f"{index}: document id {blank!r} holds white space; Anserini's program that gives out texts cannot take such an id.",
                hint="Use the corpus itself for the texts of this collection.",
            )
        wanted = list(dict.fromkeys(ids))
        try:
            return self._stored(index, wanted)
        except EngineError as error:
            if "not found in index" not in error.message:
                raise
        return self._stored(index, self._known(index, wanted))

    def _stored(self, index: Path, ids: Sequence[str]) -> dict[str, Document]:
        """Through its program for reranking requests: a made-up run whose queries are batches of ids."""
        if not ids:
            return {}
        with tempfile.TemporaryDirectory() as folder:
            run, queries, output = (Path(folder) / name for name in ("run.trec", "queries.tsv", "texts.jsonl"))
            run.write_bytes("".join(f"{n // _BATCH} Q0 {doc_id} 1 1 ids\n" for n, doc_id in enumerate(ids)).encode())
            queries.write_text("".join(f"{n}\tids\n" for n in range((len(ids) - 1) // _BATCH + 1)), encoding="utf-8")
            places = ["--index", str(index), "--run", str(run), "--topics", str(queries), "--output", str(output)]
            self.run("cli.ExtractQueriesAndDocumentsFromTrecRun", *places)
            with output.open("rb") as lines:
                entries = (entry for line in lines for entry in orjson.loads(line)["candidates"])
                return {entry["docid"]: _document(index, entry["docid"], entry["doc"]) for entry in entries}

    def _known(self, index: Path, ids: Sequence[str]) -> list[str]:
        """Those of `ids` that the index has: each is searched, not analysed, in the field that holds ids."""
        with tempfile.TemporaryDirectory() as folder:
            queries, run = Path(folder) / "ids.tsv", Path(folder) / "run.trec"
            queries.write_bytes("".join(f"{n}\t{doc_id}\n" for n, doc_id in enumerate(ids)).encode())
            self.search(index, queries, run, "-bm25", "-pretokenized", "-fields", "id=1.0", depth=1)
            found = {line.split(b" ")[2].decode() for line in run.read_bytes().splitlines()}
        return [i for i in ids if i in found]

    def _failure(self, program: str, what: str, output: str) -> EngineError:
        ignored = re.compile(r" INFO |^INFO: |^SLF4J|<init>$|^WARNING: Using incubator|^Picked up JAVA_TOOL_OPTIONS")
        lines = [line for line in output.splitlines() if line.strip() and not ignored.search(line)]
        causes = [line for line in lines if not line.startswith("\tat ")] or lines
        last = "\n".join(causes[-6:])
        hint = f"Give the JVM more than {self.heap}: option 'heap'." if "OutOfMemoryError" in output else ""
        return EngineError(f"Anserini's {program} {what} ({self.java.path}, Java {self.java.version}). Its last lines:\n{last}", hint=hint)


def find_jar() -> Path:
    """Anserini's jar inside the installed package ``pyserini``, which is not imported.

    Raises:
        MissingExtra: the package is not installed.
        MissingError: it is, but holds no jar.
    """
    package = find_spec("pyserini")
    if package is None or not package.submodule_search_locations:
        raise MissingExtra("Retrieval with Lucene", "retrieval", "no package 'pyserini', which carries Anserini's jar")
    folder = Path(package.submodule_search_locations[0]) / "resources" / "jars"
    jars = sorted(folder.glob("anserini-*-fatjar.jar"), key=_version_key)
    if not jars:
        raise MissingError(f"{folder}: holds no anserini-*-fatjar.jar.", hint="pip install --force-reinstall --no-deps pyserini")
    return jars[-1]


def jar_version(jar: Path) -> str:
    """Anserini's version: ``"1.7.1"`` of ``anserini-1.7.1-fatjar.jar``."""
    return jar.name.removeprefix("anserini-").removesuffix("-fatjar.jar")


def _version_key(jar: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", jar.name))


def _count(text: str, pattern: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1].replace(",", "")) if found else None


def _megabytes(heap: str) -> int:
    return int(heap[:-1]) * (1024 if heap[-1] in "gG" else 1)


def _document(index: Path, doc_id: str, stored: Any) -> Document:
    """A stored document: BEIR's title and text, a JSON document's contents, or whatever the collection's own format is."""
    if stored is None:
        raise MissingData(
            f"{index}: stores no text of document {doc_id!r}.", hint="Use an index that was built with -storeRaw, or name the corpus."
        )
    if isinstance(stored, str):
        return Document(doc_id, stored)
    for key in ("text", "contents"):
        if isinstance(stored, dict) and isinstance(stored.get(key), str):
            return Document(doc_id, stored[key], str(stored.get("title") or ""))
    raise DataError(f"{index}: the stored document {doc_id!r} has neither 'text' nor 'contents': {str(stored)[:80]}.")
