"""The order of every DL19 and DL20 list is the one that the published evaluation code gives with the same embeddings.

The rule is restated here from the protocol, on the raw records: nothing of the package but the engine is used on that side.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankers.fakes import parts
from rerankbench.benchmarks import Benchmarks
from rerankbench.engines.lexical import LexicalEngine, LexicalOptions
from rerankbench.protocols import Floats
from rerankbench.rankers.embedding import EmbeddingOptions, EmbeddingRanker

END = "<|endoftext|>"
WEB = "Given a web search query and some relevant documents, rerank the documents that answer the query:"
# Written out by hand: what the code, the model card and the code's data-set-specific prompts (TREC DL's) show.
PROMPTS = {
    "authors-code": (WEB, "{task}\nDocuments:\n{documents}\nSearch Query: {query}", "[{i}] {text}"),
    "readme": (WEB, "{task}\nDocuments:\n{documents}Search Query:{query}", "[{i}] {text}" + END),
    "dataset": (WEB, "{task}\nDocuments:\n{documents}\nSearch Query: {query}", "[{i}] {text}"),
}


def published_order(record: Any, profile: str, embed: Any) -> list[str]:
    """1,024 words a document, the end token behind it; 20 documents in the prompt and no end token; cosine; ties as they came."""
    entries = record["hits"]
    texts = [" ".join(entry["content"].split()[:1024]) for entry in entries]
    task, layout, line = PROMPTS[profile]
    shown = "\n".join(line.format(i=i, text="{}").replace("{}", text) for i, text in enumerate(texts[:20], start=1))
    prompt = layout.replace("{task}", task).replace("{query}", record["query"]).replace("{documents}", shown)
    documents, query = embed(tuple(text + END for text in texts)), embed((prompt,))[0]
    scores = [float(np.dot(document, query)) for document in documents]
    return [entries[p]["docid"] for p in sorted(range(len(entries)), key=lambda p: (-scores[p], p))]


@pytest.fixture(scope="module")
def engine() -> LexicalEngine:
    return LexicalEngine(LexicalOptions())


@pytest.mark.parametrize("profile", sorted(PROMPTS))
@pytest.mark.parametrize(("name", "count"), [("dl19", 43), ("dl20", 54)])
def test_the_order_of_every_list_is_the_published_codes(data_dir: Path, engine: LexicalEngine, name: str, count: int, profile: str) -> None:
    lists = Benchmarks(data_dir).open(name).candidates("bm25", 100)
    ranked = EmbeddingRanker.build(EmbeddingOptions(profile=profile), parts(engine, benchmark=name)).rank(lists)

    @cache
    def embed(texts: Sequence[str]) -> Floats:
        return engine.embed(list(texts))

    raw = (data_dir / "retrieval_results" / "bm25" / f"{name}_top100.jsonl").read_text(encoding="utf-8").splitlines()
    expected = {str(r["hits"][0]["qid"]): published_order(r, profile, embed) for r in map(json.loads, raw)}
    assert len(expected) == count
    assert {r.ranking.query_id: list(r.ranking.doc_ids) for r in ranked} == expected
    # and it is an order of its own, not the first stage's
    assert sum(list(r.ranking.doc_ids) != [d.id for d in c.documents] for r, c in zip(ranked, lists, strict=True)) == count
