"""One document judged for one query: what is judged, what comes out, and the judges that read a score off a model without reasoning.

Knows no list and no prompt: subjects of any lists come together, and one engine call holds them all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from rerankbench import prompts
from rerankbench.errors import EngineError
from rerankbench.protocols import Doubles, PairScorer, ScoreKind, Timer
from rerankbench.rankers.asking import Asker, Question
from rerankbench.records import Call, Defect, DefectKind, Query


@dataclass(frozen=True, slots=True)
class Subject:
    """A document to be judged for a query.

    Attributes:
        query, text: As they are to be read.
        values: Earlier answers about them, by the placeholder that each fills.
    """

    query: Query
    document_id: str
    text: str
    values: Mapping[str, str] = field(default_factory=dict)

    def question(self, prompt: prompts.Prompt, phase: str) -> Question:
        """What `prompt` asks about the document."""
        return Question(self.query, (self.text,), phase, {name: self.values[name] for name in prompt.file.given})


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge says of one subject.

    Attributes:
        score: Higher is more relevant.
        calls: Those of the same phase belong to one engine call for many subjects.
    """

    score: float
    calls: tuple[Call, ...] = ()
    defects: tuple[Defect, ...] = ()


class Judge(Protocol):
    def judge(self, subjects: Sequence[Subject]) -> list[Judged]:
        """Returns: one judgment a subject, same order; what one gets does not depend on the others."""
        ...


@dataclass(frozen=True, slots=True)
class Labels:
    """The answers whose scores at the next token make a document's score.

    Attributes:
        positive: What a relevant document is answered with; its raw logit is the score where there is no `negative` (RankT5, and
            Qwen3 pointwise as it was trained).
        negative: The opposite; the score is then the log-probability of `positive` against it (monoT5, Qwen3-Reranker).
    """

    positive: str
    negative: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.positive, self.negative) if self.negative else (self.positive,)

    @property
    def kind(self) -> ScoreKind:
        return "logprob" if self.negative else "logit"

    def score(self, scores: Doubles) -> tuple[float, tuple[Defect, ...]]:
        """
        Args:
            scores: Of `texts`, in that order.

        Returns:
            The score, and a defect where an engine keeps both to itself: the odds are then even, as Rank1's authors set them.
        """
        if not self.negative:
            return float(scores[0]), ()
        positive, negative = scores.tolist()
        if positive == negative == -np.inf:
            defect = Defect(DefectKind.UNPARSEABLE, f"the engine scores neither {self.positive!r} nor {self.negative!r}: even odds taken")
            return float(np.log(0.5)), (defect,)
        # In log space: a probability of 1 - 1e-17 is 1, and ties with all others that near. Not positive - logaddexp(both), which is 0
        # as soon as the sum rounds to its larger part.
        return float(0.0 - np.logaddexp(0.0, negative - positive)), ()


class PairJudge:
    """A cross-encoder's score of query and document, cut by the engine's own rule."""

    def __init__(self, scorer: PairScorer, clock: Timer) -> None:
        self._scorer = scorer
        self._clock = clock

    def judge(self, subjects: Sequence[Subject]) -> list[Judged]:
        ids = list(dict.fromkeys(s.query.id for s in subjects))
        pairs = [(s.query.text, s.text) for s in subjects]
        with self._clock.span("check lengths", query_ids=ids):
            lengths = self._scorer.pair_tokens(pairs)
        with self._clock.span("score", query_ids=ids):
            start = time.perf_counter()
            scores = self._scorer.score_pairs(pairs)
            seconds = time.perf_counter() - start
        if scores.shape != (len(pairs),) or len(lengths) != len(pairs):
            raise EngineError(
                f"Engine {type(self._scorer).__name__} was asked to score {len(pairs)} pairs and gave an array of shape {scores.shape} and "
                f"{len(lengths)} lengths."
            )
        cut = Defect(DefectKind.TRUNCATED, "pairs of query and document cut to the engine's length")
        return [
            Judged(float(score), (Call(read, 0, seconds, len(pairs), phase="score"),), (cut,) if cut_tokens else ())
            for score, (read, cut_tokens) in zip(scores, lengths, strict=True)
        ]


class LabelJudge:
    """The score of a label, or of one against another, where a prompt is to be answered."""

    def __init__(self, asker: Asker, labels: Labels) -> None:
        self._asker = asker
        self._labels = labels

    def judge(self, subjects: Sequence[Subject]) -> list[Judged]:
        questions = [s.question(self._asker.prompt, "score") for s in subjects]
        answered = self._asker.score(questions, self._labels.texts, self._labels.kind)
        scored = [self._labels.score(a.scores) for a in answered]
        return [Judged(score, (a.call,), (*a.defects, *defects)) for a, (score, defects) in zip(answered, scored, strict=True)]
