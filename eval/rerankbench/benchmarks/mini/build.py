"""Make the queries file and the BM25 candidate lists of `mini` from its corpus and its queries.

Run ``python -m rerankbench.benchmarks.mini.build`` after a change of either; the judgements are written by hand. The same
input gives the same bytes on every machine. Knows nothing of other benchmarks and is no first stage of the harness.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

from rerankbench.records import Document, Query

HERE = Path(__file__).parent
CORPUS = "beir/mini/corpus.jsonl"
QUERIES = "beir/mini/queries.jsonl"
TOPICS = "topics_and_qrels/topics.mini.tsv"
LISTS = "retrieval_results/bm25/mini_top50.jsonl"
DEPTH = 50
K1, B = 0.9, 0.4  # Anserini's defaults, as in the paper's first stage

# Lucene's default English ones: "how", "why" and "what" are not among them, and are matched like any word.
_LUCENE = (
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was will with"
)
STOP_WORDS = frozenset(_LUCENE.split())

_CJK = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_MARKS = "\u0300-\u036f\u0610-\u061a\u064b-\u065f"  # what NFKC leaves beside its letter would split a word
_RUN = re.compile(rf"(?P<cjk>[{_CJK}]+)|(?P<word>(?:[^\W_{_CJK}][{_MARKS}]*)+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the corpus.

    Attributes:
        keywords: Found by the search, but no part of the document's text.
    """

    document: Document
    keywords: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A found document: its position in the corpus, and its score rounded to six decimals."""

    position: int
    score: float


def tokens(text: str) -> list[str]:
    """Split a text into lower-cased words without stop words; Chinese and Japanese runs into pairs of characters."""
    found: list[str] = []
    for run in _RUN.finditer(unicodedata.normalize("NFKC", text).lower()):
        if run["cjk"]:
            found += pairs(run["cjk"])
        elif run["word"] not in STOP_WORDS:
            found.append(run["word"])
    return found


def pairs(run: str) -> list[str]:
    """Overlapping pairs of characters; a single character stands for itself."""
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


class Bm25:
    """BM25 as Lucene scores it: idf ln(1 + (N - n + 0.5) / (n + 0.5)), and no factor k1 + 1.

    Lucene keeps lengths in one byte and is a little coarser; here they are exact.

    Args:
        corpus: The tokens of each document.
    """

    def __init__(self, corpus: Sequence[Sequence[str]]) -> None:
        self._counts = [Counter(words) for words in corpus]
        self._lengths = [len(words) for words in corpus]
        self._mean_length = sum(self._lengths) / len(corpus)
        self._document_counts = Counter(word for counts in self._counts for word in counts)

    def search(self, query: Sequence[str], depth: int) -> list[Match]:
        """The best `depth` documents that hold a word of the query; equal scores in the corpus's order."""
        scored = (Match(position, round(self._score(query, position), 6)) for position in range(len(self._counts)))
        # Rounded before sorting: scores that are written as equal are in the corpus's order on every machine.
        return sorted((match for match in scored if match.score > 0), key=lambda match: -match.score)[:depth]

    def _score(self, query: Sequence[str], position: int) -> float:
        counts = self._counts[position]
        norm = K1 * (1 - B + B * self._lengths[position] / self._mean_length)
        return sum(self._idf(word) * counts[word] / (counts[word] + norm) for word in query if word in counts)

    def _idf(self, word: str) -> float:
        n = self._document_counts[word]
        return log(1 + (len(self._counts) - n + 0.5) / (n + 0.5))


def read_corpus(root: Path = HERE) -> list[Entry]:
    """The documents in the file's order, which decides between equal scores."""
    return [Entry(Document(r["_id"], r["text"], r["title"]), r.get("keywords", "")) for r in _records(root / CORPUS)]


def read_queries(root: Path = HERE) -> list[Query]:
    """Every query, judged or not, in the file's order."""
    return [Query(r["_id"], r["text"]) for r in _records(root / QUERIES)]


def build(root: Path = HERE) -> dict[str, str]:
    """Returns: the content of each file that is made, by its place below `root`."""
    corpus, queries = read_corpus(root), read_queries(root)
    index = Bm25([tokens(f"{entry.document.contents} {entry.keywords}") for entry in corpus])
    lists = [_line(query, index.search(tokens(query.text), DEPTH), corpus) for query in queries]
    return {TOPICS: "".join(f"{query.id}\t{query.text}\n" for query in queries), LISTS: "".join(lists)}


def main() -> None:
    """Write the files beside this script."""
    for place, content in build().items():
        (HERE / place).parent.mkdir(parents=True, exist_ok=True)
        (HERE / place).write_text(content, encoding="utf-8", newline="\n")


def _line(query: Query, matches: Sequence[Match], corpus: Sequence[Entry]) -> str:
    # The record form of the published lists, where a query id that is a number is written as one.
    query_id = int(query.id) if query.id.isdecimal() else query.id
    found = [(corpus[match.position].document, match.score) for match in matches]
    hits = [
        {"content": document.contents, "qid": query_id, "docid": document.id, "rank": rank, "score": score}
        for rank, (document, score) in enumerate(found, start=1)
    ]
    return json.dumps({"query": query.text, "hits": hits}, ensure_ascii=False) + "\n"


def _records(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8") as lines:  # by line feeds alone: a text may hold U+2028, where splitlines would cut
        for line in lines:
            yield json.loads(line)


if __name__ == "__main__":
    main()
