"""BM25 as the literature reports it: Anserini on Lucene, over a corpus that is indexed once, or over a prebuilt index.

Indexes lie below ``WORKSPACE/indexes/lucene/``. Knows no benchmark and no measure.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, cast

from pydantic import Field

from rerankbench.config import Options
from rerankbench.errors import ConfigError, DataError, DataMismatch, EngineError, UsageError
from rerankbench.first_stages.anserini import Anserini, find_jar, jar_version
from rerankbench.first_stages.java import find_java
from rerankbench.first_stages.lucene_index import Fields, ensure_index
from rerankbench.first_stages.prebuilt import IndexCorpus, LocatedIndex, locate
from rerankbench.protocols import Corpus
from rerankbench.records import CandidateList, Document, Query

_SEARCH_OPTIONS: Mapping[Fields, tuple[str, ...]] = {"flat": (), "multifield": ("-fields", "contents=1.0", "title=1.0")}

Found = list[tuple[str, float]]
"""Document ids and scores of one query, best first."""


class LuceneOptions(Options):
    """The paper's BM25, which is Anserini's default: k1 = 0.9, b = 0.4.

    Attributes:
        fields: ``flat`` joins title and text in one field; ``multifield`` searches both and adds the scores up, each with
            weight 1. Touché is .4422 by the first and .3673 by the second, so it is part of a result's name.
        remove_query: Whether a document whose id is the query's is left out of that query's list.
        heap: Largest heap of the JVM.
        prebuilt: A prebuilt index of Anserini by name, or the folder of an index. Empty: the corpus is indexed.
    """

    k1: float = Field(0.9, ge=0)
    b: float = Field(0.4, ge=0, le=1)
    fields: Fields = "flat"
    remove_query: bool = True
    threads: int = Field(2, ge=1)
    heap: str = Field("4g", pattern=r"^[1-9]\d*[mMgG]$")
    prebuilt: str = ""


class LuceneBm25:
    """The first stage.

    Attributes:
        facts: What the last `retrieve` has found out, for a manifest: the index, what became of its documents, queries whose
            text was reworded for Anserini's query file (tabs and line ends become blanks), had no word, or found nothing.
    """

    Options = LuceneOptions
    name: ClassVar[str] = "lucene-bm25"

    def __init__(self, options: LuceneOptions, workspace: Path) -> None:
        self._options = options
        self._store = workspace / "indexes" / "lucene"
        self.facts: Mapping[str, Any] = {}

    @classmethod
    def build(cls, options: object, workspace: Path) -> LuceneBm25:
        return cls(cast("LuceneOptions", options), workspace)

    @classmethod
    def provenance(cls, options: object) -> Mapping[str, str]:
        """Anserini's version, and which prebuilt index. The Java is none of it: the lists are the same on all.

        Raises:
            MissingExtra: pyserini is not installed.
            MissingError: there is no fit Java, or the prebuilt index is not at hand.
        """
        find_java()
        jar = find_jar()
        prebuilt = cast("LuceneOptions", options).prebuilt
        facts = {"anserini": jar_version(jar)}
        return {**facts, "index": locate(jar, prebuilt).identity} if prebuilt else facts

    def index_corpus(self) -> IndexCorpus:
        """The prebuilt index as a corpus of its own, for collections whose text can be had in no other way.

        Raises:
            UsageError: the options name no prebuilt index.
            MissingError: the index, or what reads it, is not at hand.
        """
        if not self._options.prebuilt:
            raise UsageError("There is no prebuilt index to take documents from: option 'prebuilt' is empty.")
        anserini = Anserini.find(self._options.heap)
        located, _ = self._located(anserini)
        return IndexCorpus(located, anserini)

    def retrieve(self, corpus: Corpus, queries: Sequence[Query], depth: int) -> list[CandidateList]:
        """The best `depth` documents of each query in Anserini's order, which breaks equal scores by document id, rising.

        Scores are as Anserini writes them: rounded to four decimals, then lowered by 1e-6 for every further document of a tie.

        Raises:
            DataMismatch: the prebuilt index holds documents that the corpus lacks.
            EngineError: Anserini failed.
        """
        if depth < 1:
            raise UsageError(f"A depth of {depth} asks for no document.")
        anserini = Anserini.find(self._options.heap)
        index, facts = self._index(corpus, anserini)
        found, reworded = self._search(anserini, index, queries, depth)
        texts = corpus.subset({doc_id for one in found for doc_id, _ in one})
        lists = [_candidate_list(query, one, texts, index) for query, one in zip(queries, found, strict=True)]
        self.facts = {
            **facts,
            "queries": len(queries),
            "queries_reworded": reworded,
            "queries_without_match": sum(not one for one in found),
        }
        return lists

    def _index(self, corpus: Corpus, anserini: Anserini) -> tuple[Path, Mapping[str, Any]]:
        if not self._options.prebuilt:
            path, manifest = ensure_index(self._store, corpus, self._options.fields, anserini, self._options.threads)
            return path, {"index": path.parent.name, **{key: manifest[key] for key in ("anserini", "corpus", "fields", "documents")}}
        located, checked = self._located(anserini)
        return located.path, {
            "index": located.name,
            "identity": located.identity,
            "anserini": anserini.version,
            "fields": self._options.fields,
            "documents": {"indexed": checked["documents"]},
        }

    def _located(self, anserini: Anserini) -> tuple[LocatedIndex, Mapping[str, Any]]:
        located = locate(anserini.jar, self._options.prebuilt)
        checked = located.check(anserini, self._store / "checked")
        built: Fields = "multifield" if checked["with_title"] else "flat"
        if built != self._options.fields:
            raise ConfigError(
                f"{located.path}: is a {built} index ({checked['with_title']:,} documents with a separate title), but the options say"
                f" fields: {self._options.fields}.",
                hint=f"Set fields: {built}, or name the other index.",
            )
        return located, checked

    def _search(self, anserini: Anserini, index: Path, queries: Sequence[Query], depth: int) -> tuple[list[Found], int]:
        """What each query finds, and how many queries had to be reworded."""
        texts = [_one_line(query.text) for query in queries]
        asked = {n: text for n, text in enumerate(texts) if text}  # one query without text makes the whole file unreadable
        reworded = sum(text != queries[n].text.strip() for n, text in asked.items())
        found = self._ask(anserini, index, queries, asked, depth) if asked else {}
        return [found.get(n, []) for n in range(len(queries))], reworded

    def _ask(self, anserini: Anserini, index: Path, queries: Sequence[Query], asked: Mapping[int, str], depth: int) -> Mapping[int, Found]:
        """Position of a query → what it finds; a query that finds nothing is absent.

        Queries go by their position: an id may hold a blank or a slash. Thus Anserini cannot remove the query itself, and one
        document more is asked for, so that a list has its full depth afterwards (Anserini's own option leaves it one short).
        """
        options = self._options
        model = ("-bm25", "-bm25.k1", str(options.k1), "-bm25.b", str(options.b), *_SEARCH_OPTIONS[options.fields])
        with tempfile.TemporaryDirectory() as folder:
            topics, run = Path(folder) / "queries.tsv", Path(folder) / "run.trec"
            topics.write_bytes("".join(f"{n}\t{text}\n" for n, text in asked.items()).encode())
            try:
                searched = anserini.search(index, topics, run, *model, depth=depth + options.remove_query, threads=options.threads)
            except EngineError as error:
                raise (_too_long(asked, queries, error) or error) from None
            if searched != len(asked):
                raise EngineError(f"Anserini searched {searched} queries of {len(asked)} over {index}.")
            return {n: self._own(queries[n], one)[:depth] for n, one in read_anserini_run(run)}

    def _own(self, query: Query, found: Found) -> Found:
        return [one for one in found if one[0] != query.id] if self._options.remove_query else found


def read_anserini_run(path: Path) -> Iterator[tuple[int, Found]]:
    """Read a run over queries named by numbers, in its own order; document ids may hold blanks.

    Raises:
        DataError: a line is none of a run.
    """
    with path.open("rb") as lines:
        for query, group in groupby((_run_line(path, line) for line in lines), key=lambda row: row[0]):
            yield query, [(doc_id, score) for _, doc_id, score in group]


def _run_line(path: Path, line: bytes) -> tuple[int, str, float]:
    try:
        query, _, rest = line.decode().removesuffix("\n").split(" ", 2)
        doc_id, _, score, _ = rest.rsplit(" ", 3)
        return int(query), doc_id, float(score)
    except ValueError as error:
        raise DataError(f"{path}: expected query, Q0, document, rank, score and tag, got {line[:120]!r}.") from error


def _too_long(asked: Mapping[int, str], queries: Sequence[Query], error: EngineError) -> EngineError | None:
    if "TooManyClauses" not in error.message:
        return None
    longest = max(asked, key=lambda n: len(set(asked[n].split())))
    return EngineError(
        f"A query has more than the 1,024 different terms that Lucene takes (both fields of a multifield index count);"
        f" the longest is {queries[longest].id!r}, with {len(set(asked[longest].split())):,} different words.",
        hint="Shorten it, or leave it out.",
    )


def _one_line(text: str) -> str:
    """The query as a line of a TSV file holds it: control characters (tabs, line ends) become blanks; Java strips them all."""
    return re.sub(r"[\x00-\x1f]+", " ", text).strip()


def _candidate_list(query: Query, found: Found, texts: Mapping[str, Document], index: Path) -> CandidateList:
    lacking = [doc_id for doc_id, _ in found if doc_id not in texts]
    if lacking:
        raise DataMismatch(
            f"{index}: query {query.id!r} finds {len(lacking)} documents that the corpus lacks, e.g. {lacking[0]!r}.",
            hint="The index is of another version of the corpus. Leave 'prebuilt' out, and the corpus is indexed.",
        )
    return CandidateList(query, tuple(texts[doc_id] for doc_id, _ in found), tuple(score for _, score in found))
