"""Documents, queries and judgements of the suite's retrieval and reranking tasks: the embedded `mini`, and SciFact from a mirror."""

from __future__ import annotations

from pathlib import Path

from rerankbench.benchmarks import Benchmarks, Collection, load_catalog
from rerankbench.benchmarks.sources import Folder
from rerankbench.errors import MissingData
from rerankbench.mteb_suite.local.content import Searched
from rerankbench.records import CandidateList, Document

FIRST_STAGE = "bm25"
DEPTH = 50


def mini() -> Searched:
    """All of `mini`'s documents."""
    return _whole(_mini())


def scifact(mirror: Path | None) -> Searched:
    """SciFact's documents, from a mirror alone: the hub is not asked.

    Raises:
        MissingData: no mirror is named, or it lacks a file.
        DataError: a file is damaged, or is not what the catalog says.
    """
    if mirror is None:
        raise MissingData(
            "The documents, queries and judgements of SciFact are looked for in a local mirror, and none is named.",
            hint="Name one with --data DIR: beir/scifact/corpus.jsonl and topics_and_qrels/ of beir-v1.0.0-scifact.",
        )
    return _whole(Collection("scifact", [Folder(mirror)], load_catalog()))


def mini_lists() -> Searched:
    """`mini`'s BM25 lists, for reranking: in BM25's own order, which no label has touched, and with the documents that BM25 found."""
    collection = _mini()
    found = [c for c in collection.candidates(FIRST_STAGE, DEPTH) if c.query.id in collection.qrels()]
    return Searched(
        documents=_in_order(collection, found),
        queries=[c.query for c in found],
        qrels=collection.qrels(),
        lists={c.query.id: [d.id for d in c.documents] for c in found},
    )


def _mini() -> Collection:
    collection = Benchmarks(None).open("mini")
    assert isinstance(collection, Collection)  # for the type checker: it is one of the catalog
    return collection


def _whole(collection: Collection) -> Searched:
    qrels = collection.qrels()
    queries = [query for query in collection.queries() if query.id in qrels]
    corpus = collection.corpus(fetch=False)
    documents = list(corpus.documents())
    return Searched(documents, queries, qrels)


def _in_order(collection: Collection, lists: list[CandidateList]) -> list[Document]:
    """The lists' documents in the order of the corpus, which no list has decided."""
    wanted = {document.id for candidates in lists for document in candidates.documents}
    return [document for document in collection.corpus(fetch=False).documents() if document.id in wanted]
