"""Rankers that score a block of documents in one pass over all of them (jina-reranker-v3). Knows no engine but by its capability.

What a document gets depends on its block: the model reads the documents there in the first stage's order, each after those before it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from rerankbench.errors import EngineError
from rerankbench.protocols import Doubles, ListScorer, Parts, Workload
from rerankbench.rankers.asking import lacking
from rerankbench.rankers.texts import PerBenchmark, Reader, TextLimits, largest, words_read
from rerankbench.records import Call, CandidateList, Ranked, Ranking

Block = tuple[str, Sequence[str]]


class BlockwiseOptions(TextLimits):
    """
    Attributes:
        block: Documents a pass. The model card of jina-reranker-v3 speaks of 64, and RankLLM takes as many; the model's own code packs up
            to about 125.
        max_words: None: the engine limits query and documents in tokens, by the model's own rule.
    """

    block: int = Field(default=64, ge=1)
    max_words: PerBenchmark | None = None

    @model_validator(mode="after")
    def _no_prompt(self) -> Self:
        if self.max_prompt_tokens is not None:
            raise ValueError(
                "a blockwise ranker has no prompt: limit its documents, or make 'block' smaller, in place of max_prompt_tokens"
            )
        return self


class BlockwiseRanker:
    """Ranks by falling score over all blocks of a list; equal scores keep the incoming order.

    Scores of different blocks are compared as they are, as RankLLM does (jina_reranker.py).
    """

    Options = BlockwiseOptions
    name: ClassVar[str] = "blockwise"
    reads_text: ClassVar[bool] = True

    def __init__(self, scorer: ListScorer, options: BlockwiseOptions, parts: Parts) -> None:
        self._scorer = scorer
        self._block = options.block
        self._reader = Reader(options, parts.benchmark, parts.engine)
        self._clock = parts.clock

    @classmethod
    def needs(cls, options: object) -> tuple[type, ...]:  # noqa: ARG003 the contract of all rankers
        return (ListScorer,)

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self:
        if not isinstance(parts.engine, ListScorer):
            raise lacking(cls.name, parts.engine, ListScorer)
        return cls(parts.engine, cls.Options.model_validate(options), parts)

    @classmethod
    def provenance(cls, options: object, benchmark: str) -> Mapping[str, str]:  # noqa: ARG003 the contract of all rankers
        return {}

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload:
        checked = cls.Options.model_validate(options)
        blocks = [-(-len(c) // checked.block) for c in lists]
        words = sum(sum(words_read(c, largest(checked.max_words))) for c in lists)
        return Workload(prompts=sum(blocks), words=words + sum(n * len(c.query.text.split()) for n, c in zip(blocks, lists, strict=True)))

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        """Rank every list; one engine call holds all blocks of all lists.

        Calls of each result: one a block, with its ranks in the first stage as the phase. Tokens are not counted.

        Raises:
            DataError: a document's text is not at hand.
            OverLengthError: a block is longer than the engine takes.
            RankingError: a score is not a number.
        """
        ids = [c.query.id for c in batch]
        with self._clock.span("build prompt", query_ids=ids):
            read = [self._reader.read(c) for c in batch]
            blocks = [self._blocks(texts.query, texts.documents) for texts in read]
        scores, call = self._score([block for own in blocks for block in own], ids)
        given = iter(scores)
        ranked = []
        for candidates, texts, own in zip(batch, read, blocks, strict=True):
            joined = np.concatenate([np.empty(0), *islice(given, len(own))])
            calls = tuple(Call(0, 0, *call, phase=phase) for phase in self._phases(len(candidates)))
            ranked.append(Ranked(Ranking.by_score(candidates, joined.tolist()), calls, texts.defects))
        return ranked

    def _blocks(self, query: str, documents: Sequence[str]) -> list[Block]:
        return [(query, documents[start : start + self._block]) for start in range(0, len(documents), self._block)]

    def _phases(self, depth: int) -> list[str]:
        return [f"block {start + 1}-{min(start + self._block, depth)}" for start in range(0, depth, self._block)]

    def _score(self, blocks: Sequence[Block], query_ids: Sequence[str]) -> tuple[list[Doubles], tuple[float, int]]:
        """The scores of each block; and seconds and size of the call that gave them."""
        if not blocks:
            return [], (0.0, 0)
        with self._clock.span("score", query_ids=query_ids):
            start = time.perf_counter()
            scores = self._scorer.score_lists(blocks)
            seconds = time.perf_counter() - start
        asked, given = [(len(documents),) for _, documents in blocks], [s.shape for s in scores]
        if asked != given:
            raise EngineError(f"Engine {type(self._scorer).__name__} was asked for scores of shapes {asked} and gave {given}.")
        return scores, (seconds, len(blocks))
