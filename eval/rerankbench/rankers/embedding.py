"""E2Rank: a list is ranked by the cosine of every document's embedding and the embedding of one listwise prompt.

The prompt shows the query and the first documents of the list, as pseudo-relevance feedback; all documents are scored, and each is
encoded once however many lists it is in. In query-only mode the prompt shows the query alone, as in retrieval.
Knows no benchmark but by the name that chooses a prompt's wording, and no engine but by its capabilities.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from rerankbench import prompts
from rerankbench.config import Options
from rerankbench.cutting import cut_before_end
from rerankbench.errors import ConfigError, EngineError, OverLengthError, nearest
from rerankbench.protocols import Floats, Parts, TextEmbedder, Timer, Tokens, Workload
from rerankbench.rankers.inputs import ChatTemplateUse, Fitter, Input, text_renderer
from rerankbench.rankers.texts import Overflow, Reader, TextLimits, words_read
from rerankbench.records import Call, CandidateList, Defect, DefectKind, Ranked, Ranking

PROFILES: Mapping[str, Mapping[str, str]] = {
    "listwise": {
        "authors-code": "e2rank-listwise",
        "readme": "e2rank-listwise-readme",
        "dataset": "e2rank-listwise-dataset",
    },
    # The sources do not differ in how a plain query is written.
    "query-only": {"authors-code": "e2rank-query", "readme": "e2rank-query", "dataset": "e2rank-query"},
}


class EmbeddingOptions(Options):
    """The defaults are the paper's.

    Attributes:
        mode: ``listwise``, or ``query-only`` for plain embedding reranking.
        profile: Which of the published wordings (``authors-code``, ``readme``, ``dataset``), or a prompt by name or YAML file.
        documents_in_prompt: How many of the first documents the listwise prompt shows.
        max_words: A document's words that are read, in the prompt and for its embedding.
        end_token: Written behind every document and where the prompt says so; empty for models that append their own.
        chat_template: ``auto`` uses the engine's where it has one; else the messages' plain text is the prompt. A prompt that is raw
            text (the query-only one) never goes through it.
        overflow: What happens to a text that is longer than the engine takes, where the engine counts tokens (see `Fitter`).
    """

    mode: Literal["listwise", "query-only"] = "listwise"
    profile: str = "authors-code"
    documents_in_prompt: int = Field(default=20, ge=1)
    max_words: int = Field(default=1024, ge=1)
    end_token: str = "<|endoftext|>"  # noqa: S105 a token of text, no secret
    chat_template: ChatTemplateUse = "auto"
    overflow: Overflow = "shorten"


class EmbeddingRanker:
    """Ranks by cosine; equal scores keep the incoming order. Native scores are the cosines.

    Args:
        prompt: Of kind ``listwise`` or ``query``, as the mode asks.
        clock: Times ``build prompt``, ``encode documents``, ``encode prompt`` and ``score``, and ``check lengths`` apart from them
            where the engine counts tokens: a measurement of ours that no reranker needs.

    Raises:
        ConfigError: the prompt is of the other kind, or a chat template is wanted that the engine has not.
    """

    Options = EmbeddingOptions
    name: ClassVar[str] = "embedding"
    reads_text: ClassVar[bool] = True

    def __init__(self, embedder: TextEmbedder, options: EmbeddingOptions, prompt: prompts.Prompt, clock: Timer) -> None:
        expected = "listwise" if options.mode == "listwise" else "query"
        if prompt.kind != expected:
            raise ConfigError(f"mode {options.mode!r} needs a prompt of kind {expected!r}, but {prompt.name!r} is of kind {prompt.kind!r}.")
        self.prompt = prompt
        self._options = options
        self._embedder = embedder
        self._reader = Reader(TextLimits(max_words=options.max_words), "", embedder)
        self._clock = clock
        self._to_text = text_renderer(embedder, options.chat_template)
        self._tokens = embedder if isinstance(embedder, Tokens) else None

    @classmethod
    def needs(cls, options: object) -> tuple[type, ...]:  # noqa: ARG003 the contract of all rankers
        return (TextEmbedder,)

    @classmethod
    def prompt_for(cls, options: EmbeddingOptions, benchmark: str) -> prompts.Prompt:
        """The prompt that these options mean, in the wording of `benchmark`.

        Raises:
            ConfigError: there is no such profile or prompt, or its file is wrong.
        """
        profiles = PROFILES[options.mode]
        name = profiles.get(options.profile, options.profile)
        if Path(name).suffix == "" and name not in prompts.names():
            raise ConfigError(f"There is no profile or prompt {name!r}. {nearest(name, [*profiles, *prompts.names()])}")
        return prompts.load(name).for_benchmark(benchmark)

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self:
        checked = cls.Options.model_validate(options)
        if not isinstance(parts.engine, TextEmbedder):
            raise ConfigError(f"The ranker {cls.name!r} needs an engine that embeds texts, got {type(parts.engine).__name__}.")
        return cls(parts.engine, checked, cls.prompt_for(checked, parts.benchmark), parts.clock)

    @classmethod
    def provenance(cls, options: object, benchmark: str) -> Mapping[str, str]:
        prompt = cls.prompt_for(cls.Options.model_validate(options), benchmark)
        return {prompt.name: prompt.hash}

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload:
        checked = cls.Options.model_validate(options)
        shown = checked.documents_in_prompt if checked.mode == "listwise" else 0
        words: dict[str, int] = {}
        in_prompts = 0
        for candidates in lists:
            counts = words_read(candidates, checked.max_words)
            words.update(zip((d.contents for d in candidates.documents), counts, strict=True))
            in_prompts += sum(counts[:shown]) + len(candidates.query.text.split())
        return Workload(prompts=len(lists), texts=len(words), words=in_prompts + sum(words.values()))

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        """Rank every list, with one engine call for all documents of the batch and one for all prompts.

        Calls of each result: ``encode documents`` for all its documents together (tokens are this list's, batch size and seconds
        those of the call for the whole batch) and ``encode prompt``. Tokens are 0 where the engine does not count.

        Raises:
            DataError: a document's text is not at hand.
            OverLengthError: a text is too long, and either `overflow` is ``error`` or no cut makes it fit.
            RankingError: the engine gave a vector that holds no number.
        """
        filled = [c for c in batch if len(c)]
        ranked = iter(self._rank(filled) if filled else ())
        return [next(ranked) if len(c) else Ranked(Ranking.of(c, ())) for c in batch]

    def document_inputs(self, batch: Sequence[CandidateList]) -> list[str]:
        """What `rank` embeds of the documents, end tokens and cuts included; each distinct text once."""
        documents, _ = self._documents(batch)
        if self._tokens is not None:
            documents = self._fit_documents(documents, self._tokens, [c.query.id for c in batch])
        return documents.to_encode

    def _rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        ids = [c.query.id for c in batch]
        with self._span("build prompt", ids):
            documents, noted = self._documents(batch)
            inputs = [self._input(c, documents.of(i)) for i, c in enumerate(batch)]
        if self._tokens is not None:
            with self._span("check lengths", ids):
                documents = self._fit_documents(documents, self._tokens, ids)
                inputs = self._fitter(self._tokens).fit(inputs)
        with self._span("encode documents", ids):
            vectors, document_call = self._embed(documents.to_encode, "encode documents")
        with self._span("encode prompt", ids):
            queries, prompt_call = self._embed([self._to_text(i.prompt) for i in inputs], "encode prompt")
        with self._span("score", ids):
            rankings = [Ranking.by_score(c, _cosines(vectors, documents.rows[i], queries[i])) for i, c in enumerate(batch)]
        calls = [
            (replace(document_call, prompt_tokens=documents.tokens_of(i)), replace(prompt_call, prompt_tokens=made.tokens))
            for i, made in enumerate(inputs)
        ]
        defects = [(*noted[i], *documents.truncated_of(i), *made.defects) for i, made in enumerate(inputs)]
        return [Ranked(*parts) for parts in zip(rankings, calls, defects, strict=True)]

    def _span(self, name: str, ids: Sequence[str]) -> AbstractContextManager[None]:
        return self._clock.span(name, query_ids=ids)

    def _documents(self, batch: Sequence[CandidateList]) -> tuple[_Documents, list[tuple[Defect, ...]]]:
        read = [self._reader.read(c) for c in batch]
        row_of: dict[str, int] = {}
        rows = [[row_of.setdefault(text, len(row_of)) for text in one.documents] for one in read]
        texts = list(row_of)
        return _Documents(texts, [text + self._options.end_token for text in texts], rows), [one.defects for one in read]

    def _input(self, candidates: CandidateList, texts: Sequence[str]) -> Input:
        shown = tuple(texts[: self._options.documents_in_prompt]) if self._options.mode == "listwise" else ()
        return Input(candidates.query, shown, self._render(candidates.query.text, shown))

    def _render(self, query: str, documents: Sequence[str]) -> str:
        return self._to_text(self.prompt.render(query, documents, end_token=self._options.end_token))

    def _fitter(self, tokens: Tokens) -> Fitter:
        return Fitter(
            lambda query, documents, _: self._render(query, documents), self._to_text, tokens, tokens.max_tokens, self._options.overflow
        )

    def _fit_documents(self, documents: _Documents, tokens: Tokens, ids: Sequence[str]) -> _Documents:
        """Count every document, in one call, and cut those that are too long from the right; the end token stays."""
        counts = list(tokens.count_tokens(documents.to_encode))
        to_encode = list(documents.to_encode)
        long = [row for row, n in enumerate(counts) if n > tokens.max_tokens]
        for row in long:
            cut = self._cut_document(documents.texts[row], tokens)
            if cut is None:
                raise self._too_long(
                    counts[row], tokens.max_tokens, [i for i, rows in zip(ids, documents.rows, strict=True) if row in rows]
                )
            to_encode[row] = cut
        for row, n in zip(long, tokens.count_tokens([to_encode[row] for row in long]) if long else (), strict=True):
            counts[row] = n
        return replace(documents, to_encode=to_encode, tokens=counts, truncated=frozenset(long), limit=tokens.max_tokens)

    def _cut_document(self, text: str, tokens: Tokens) -> str | None:
        if self._options.overflow == "error":
            return None
        end = self._options.end_token
        return cut_before_end(text, end, tokens.max_tokens, tokens.truncate, lambda cut: tokens.count_tokens([cut])[0])

    def _too_long(self, count: int, limit: int, query_ids: Sequence[str]) -> OverLengthError:
        return OverLengthError(
            f"Query {query_ids[0]!r}: a document has {count} tokens, the engine takes {limit}.",
            hint="Set overflow to shorten or truncate, or lower max_words.",
        )

    def _embed(self, texts: Sequence[str], phase: str) -> tuple[Floats, Call]:
        start = time.perf_counter()
        vectors = self._embedder.embed(texts)
        seconds = time.perf_counter() - start
        if vectors.ndim != 2 or len(vectors) != len(texts):
            engine = type(self._embedder).__name__
            raise EngineError(f"Engine {engine} was asked to embed {len(texts)} texts and gave an array of shape {vectors.shape}.")
        return vectors, Call(0, 0, seconds, len(texts), phase=phase)


@dataclass(frozen=True)
class _Documents:
    """The batch's documents, each distinct text once.

    Attributes:
        texts: Cut to the word limit, as a prompt shows them.
        to_encode: With the end token, and cut to the engine's length where it counts tokens.
        rows: Per list: the text of each candidate.
        tokens: Of `to_encode`; empty where the engine does not count.
        truncated: Rows that were cut to the engine's `limit`.
    """

    texts: list[str]
    to_encode: list[str]
    rows: list[list[int]]
    tokens: Sequence[int] = ()
    truncated: frozenset[int] = frozenset()
    limit: int = 0

    def of(self, index: int) -> list[str]:
        return [self.texts[row] for row in self.rows[index]]

    def tokens_of(self, index: int) -> int:
        return sum([self.tokens[row] for row in self.rows[index]]) if self.tokens else 0

    def truncated_of(self, index: int) -> tuple[Defect, ...]:
        count = sum(row in self.truncated for row in self.rows[index]) if self.truncated else 0
        detail = f"documents cut from the right to the engine's {self.limit} tokens, the end token kept"
        return (Defect(DefectKind.TRUNCATED, detail, count),) if count else ()


def _cosines(vectors: Floats, rows: Sequence[int], query: Floats) -> list[float]:
    """One dot product of unit vectors a candidate, in float32.

    Not `vectors @ query`: a matrix product may round equal rows differently by their place in the matrix, which would order
    documents of equal embeddings by accident (seen with OpenBLAS: 103 equal rows, two different products).
    """
    scores: list[float] = np.vecdot(vectors[rows], query).tolist()
    return scores
