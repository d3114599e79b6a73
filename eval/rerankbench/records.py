"""The nouns: what flows from a benchmark to a table. Frozen, checked, without I/O.

Ranks start at 1, positions at 0. A mapping or tuple in a record is never changed after it was made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

from rerankbench.errors import DataError, RankingError

Qrels = Mapping[str, Mapping[str, int]]
"""query id → document id → grade. A query is judged when it is a key; a document without a grade is unjudged."""


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a candidate list.

    `text` is None where only the order of a list is at hand (a bare run file); an empty document has the text ``""``.
    """

    id: str
    text: str | None
    title: str = ""

    @property
    def contents(self) -> str:
        """Title and text as a flat index joins them.

        Raises:
            DataError: the text is not at hand.
        """
        if self.text is None:
            raise DataError(
                f"The text of document {self.id!r} is not at hand: its list is a bare run, enough for an order, not for a reranker."
            )
        return f"{self.title} {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class CandidateList:
    """The first stage's order of one query's documents; position 0 is its best.

    Attributes:
        scores: The first stage's native scores, one a document; they may be equal, and they are never used to sort again.

    Raises:
        DataError: scores and documents differ in number, or a document id occurs twice.
    """

    query: Query
    documents: tuple[Document, ...]
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.documents) != len(self.scores):
            raise DataError(f"Candidate list of query {self.query.id!r}: {len(self.documents)} documents, but {len(self.scores)} scores.")
        repeated = [i for i, n in Counter(d.id for d in self.documents).items() if n > 1]
        if repeated:
            raise DataError(
                f"Candidate list of query {self.query.id!r} holds these document ids more than once: {', '.join(map(repr, repeated))}."
            )

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def has_text(self) -> bool:
        """Whether every document's text is at hand."""
        return all(d.text is not None for d in self.documents)

    def top(self, depth: int) -> CandidateList:
        """The first `depth` documents of the list; the list itself where it has no more."""
        return self if depth >= len(self) else CandidateList(self.query, self.documents[:depth], self.scores[:depth])


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranker's order of one query's candidates; position 0 is its best.

    Attributes:
        scores: Native scores in ranked order, or None when the ranker gives an order alone. They are kept to be looked at:
            the order is the result, and a run file is written with scores of its own that fall strictly.
    """

    query_id: str
    doc_ids: tuple[str, ...]
    scores: tuple[float, ...] | None = None

    @classmethod
    def of(cls, candidates: CandidateList, order: Sequence[int], scores: Sequence[float] | None = None) -> Self:
        """Rank `candidates` by `order`.

        Args:
            order: Positions in the candidate list, best first.
            scores: Native scores by candidate position (not by rank).

        Raises:
            RankingError: `order` is not a permutation of the candidates' positions, or the scores are not one a candidate.
        """
        n = len(candidates)
        if sorted(order) != list(range(n)):
            missing = sorted(set(range(n)) - set(order))
            repeated = sorted(p for p, times in Counter(order).items() if times > 1)
            unknown = sorted(set(order) - set(range(n)))
            raise RankingError(
                f"Ranking of query {candidates.query.id!r} is not a permutation of its {n} candidates: "
                f"missing {missing}, repeated {repeated}, unknown {unknown}."
            )
        if scores is not None and len(scores) != n:
            raise RankingError(f"Ranking of query {candidates.query.id!r}: {len(scores)} scores for {n} candidates.")
        doc_ids = tuple(candidates.documents[p].id for p in order)
        return cls(candidates.query.id, doc_ids, None if scores is None else tuple(float(scores[p]) for p in order))

    @classmethod
    def by_score(cls, candidates: CandidateList, scores: Sequence[float]) -> Self:
        """Rank by falling score; equal scores keep the incoming order.

        Raises:
            RankingError: a score is not a number, or the scores are not one a candidate.
        """
        values = [float(s) for s in scores]
        bad = [d.id for d, s in zip(candidates.documents, values, strict=False) if math.isnan(s)]
        if bad:
            raise RankingError(f"Ranking of query {candidates.query.id!r}: the score of {', '.join(map(repr, bad))} is not a number (NaN).")
        if len(values) != len(candidates):
            raise RankingError(f"Ranking of query {candidates.query.id!r}: {len(values)} scores for {len(candidates)} candidates.")
        # Stable: equal scores keep first-stage order; trec_eval would sort them by document id.
        order = sorted(range(len(values)), key=lambda p: -values[p])
        return cls.of(candidates, order, values)


class DefectKind(StrEnum):
    """What can go wrong with one query and is then repaired by the one documented rule, counted and shown."""

    UNPARSEABLE = "unparseable"  # an answer without a single usable identifier; the incoming order stays
    REPEATED = "repeated"  # an identifier again; its first place counts
    MISSING = "missing"  # an identifier that the answer leaves out; appended in incoming order
    OUT_OF_RANGE = "out of range"  # an identifier that was not given; ignored
    SHORTENED = "shortened"  # documents cut to a word limit; the query stays whole
    TRUNCATED = "truncated"  # text cut from the right, as an engine would
    EMPTY_DOCUMENT = "empty document"  # a document without a word; ranked like any other
    REASONING_WITHOUT_ANSWER = "reasoning without answer"  # the answer was read out of the reasoning, or had to be forced
    OVER_LENGTH = "over length"  # the query alone is longer than the engine takes, and was cut
    REFUSED = "refused"  # the model, or who serves it, would not answer; the incoming order stays


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that was not as it should be, in one query's ranking.

    Attributes:
        detail: What exactly, for a person.
        count: How many times, e.g. the number of documents that were shortened.
    """

    kind: DefectKind
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Chat:
    """Turns of a conversation that the assistant goes on with.

    Attributes:
        thinking: Whether a model that can reason before it answers is let to, where its template has the switch.
        answer: How the assistant's answer begins; the model goes on behind it.
    """

    messages: tuple[Message, ...]
    thinking: bool = False
    answer: str = ""


Prompt = str | Chat
"""A raw completion prompt, or a chat that the engine renders with its model's own template."""

Finish = Literal["", "stop", "length", "refused"]
"""Why an answer ended: by itself or at a stop text, at its limit of tokens, or because the model would not answer; empty: unsaid."""


@dataclass(frozen=True, slots=True)
class Call:
    """One input that an engine has worked on.

    Attributes:
        prompt_tokens, completion_tokens: As the engine counts them, special tokens included.
        seconds: Wall time of the engine call that held this input; 0 where the answer was kept from an earlier run. With `batch_size`
            above 1 all inputs of that call share it: dividing it by the batch size gives throughput, never latency.
        text: The generated text; empty for embeddings and scores.
        phase: Which step of the ranker, e.g. ``"encode prompt"`` or ``"window 81-100"``.
        finish: Why the answer ended.
        first_token_s: Seconds from the start of that engine call until the first token of this answer was there; 0 where that is not known.
    """

    prompt_tokens: int
    completion_tokens: int
    seconds: float
    batch_size: int = 1
    text: str = ""
    phase: str = ""
    finish: Finish = ""
    first_token_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a ranker returns for one candidate list."""

    ranking: Ranking
    calls: tuple[Call, ...] = ()
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measure of one query.

    Attributes:
        measure: As ir_measures prints it, e.g. ``"nDCG@10"``.
        value: A fraction, not a percentage.
    """

    query_id: str
    measure: str
    value: float


@dataclass(frozen=True, slots=True)
class Span:
    """One timed stretch of work.

    Attributes:
        start_s: Seconds since the clock was made.
        seconds: Its length.
        query_ids: The queries that were worked on together.
        warmup: Whether it is to be left out of latency figures.
    """

    name: str
    start_s: float
    seconds: float
    query_ids: tuple[str, ...] = ()
    warmup: bool = False
