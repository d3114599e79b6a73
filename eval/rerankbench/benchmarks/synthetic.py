"""Lists of drawn words for measurements of speed where a benchmark's text is not at hand. What ranks them well means nothing.

Lengths follow those of scientific abstracts; the words are those of the embedded benchmark, in no order.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import orjson

from rerankbench.benchmarks.corpora import BeirCorpus
from rerankbench.benchmarks.own import OwnBenchmark, OwnCollection, SyntheticText
from rerankbench.benchmarks.sources import DataFile
from rerankbench.errors import MissingData, nearest
from rerankbench.records import CandidateList, Document, Qrels, Query

FIRST_STAGE = "drawn"
TOKENS_PER_WORD = 1.258
"""Of the Qwen3 tokenizer on 2,000 texts of 254 drawn words each; in the embedded benchmark's own order 1.259."""
SHORTEST, LONGEST = 0.15, 4.0
"""Bounds of a document's words, as shares of the mean: SciFact's 5,183 abstracts have 33 to 1,541 of 215, all but a few below 860."""
QUERY_WORDS = 10
_WORDS = Path(__file__).parent / "mini" / "beir" / "mini" / "corpus.jsonl"


class SyntheticCollection(OwnCollection):
    """Drawn lists under the one first stage `drawn`. Of each query the first document is judged relevant, so that it can be measured."""

    def __init__(self, name: str, options: OwnBenchmark, drawn: SyntheticText) -> None:
        super().__init__(name, options, Path())
        self._drawn = drawn

    @property
    def licence(self) -> str:
        return "drawn words"

    @property
    def first_stages(self) -> tuple[str, ...]:
        return (FIRST_STAGE,)

    def qrels(self) -> Qrels:
        """One relevant document a query, the first of its list."""
        return {c.query.id: {c.documents[0].id: 1} for c in self._made}

    def qrels_file(self) -> DataFile:
        """No file: the judgements, with the hash of what was drawn."""
        return DataFile("qrels", self._source, self._sha256)

    def list_file(self, first_stage: str, depth: int) -> DataFile:
        """No file: the lists, with the hash of what was drawn."""
        self.candidates(first_stage, depth)
        return DataFile("lists", self._source, self._sha256)

    def list_path(self, first_stage: str, depth: int) -> Path:  # noqa: ARG002 the interface of collections
        """Raises: MissingData: there is no file."""
        raise MissingData(f"The lists of {self.name} are drawn when they are asked for, and lie in no file.")

    def deepest(self, first_stage: str) -> int | None:
        return self._drawn.documents if first_stage == FIRST_STAGE else None

    def corpus(self, *, fetch: bool = True) -> BeirCorpus:  # noqa: ARG002 the interface of collections
        """Raises: MissingData: there is none."""
        raise MissingData(f"{self.name} is drawn text without a corpus.")

    def _all_lists(self, first_stage: str) -> list[CandidateList]:
        if first_stage != FIRST_STAGE:
            raise MissingData(
                f"{self.name} is drawn text and has no {first_stage} lists. {nearest(first_stage, [FIRST_STAGE])}",
                hint=f"first_stages: [{FIRST_STAGE}]",
            )
        return self._made

    @cached_property
    def _made(self) -> list[CandidateList]:
        return draw(self._drawn)

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for made in self._made:
            digest.update(orjson.dumps([made.query.text, [document.text for document in made.documents]]))
        return digest.hexdigest()

    @property
    def _source(self) -> str:
        of = self._drawn
        return f"synthetic: {of.queries} × {of.documents} documents of about {of.mean_tokens} tokens, drawn with seed {of.seed}"


def draw(asked: SyntheticText) -> list[CandidateList]:
    """The same lists for the same options, on every machine. First-stage scores fall with the rank."""
    dice, words = random.Random(asked.seed), _words()  # noqa: S311 no secret
    scores = tuple(float(asked.documents - position) for position in range(asked.documents))
    lists = []
    for n in range(1, asked.queries + 1):
        query = Query(f"q{n}", " ".join(dice.choices(words, k=QUERY_WORDS)))
        lengths = [_length(asked, dice) for _ in range(asked.documents)]
        texts = [" ".join(dice.choices(words, k=length)) for length in lengths]
        documents = tuple(Document(f"q{n}-d{i}", text) for i, text in enumerate(texts, start=1))
        lists.append(CandidateList(query, documents, scores))
    return lists


def _length(asked: SyntheticText, dice: random.Random) -> int:
    """Words of one document: log-normal around the mean, cut to the bounds."""
    mean = asked.mean_tokens / TOKENS_PER_WORD
    drawn = dice.lognormvariate(math.log(mean) - asked.spread**2 / 2, asked.spread)
    return max(1, round(min(max(drawn, SHORTEST * mean), LONGEST * mean)))


def _words() -> Sequence[str]:
    return [word for line in _WORDS.read_bytes().splitlines() for word in orjson.loads(line)["text"].split()]
