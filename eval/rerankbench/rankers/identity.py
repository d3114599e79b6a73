"""The two ends of the scale: the first stage's own order, and the best order that its documents allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Self

from rerankbench.protocols import Parts
from rerankbench.rankers.base import BaseRanker
from rerankbench.records import CandidateList, Qrels, Ranked, Ranking


class _FirstStageOrder(BaseRanker):
    """What both have in common: no text is read, and the code's version is the package's."""

    reads_text: ClassVar[bool] = False

    @classmethod
    def provenance(cls, options: object, benchmark: str) -> Mapping[str, str]:  # noqa: ARG003 the contract of all rankers
        return {}


class IdentityRanker(_FirstStageOrder):
    """Keeps the first stage's order and its native scores."""

    name: ClassVar[str] = "identity"

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        return [Ranked(Ranking.of(c, range(len(c)), c.scores)) for c in batch]


class OracleRanker(_FirstStageOrder):
    """Orders by grade, descending: the ceiling of any ranker on these lists.

    Unjudged documents count as grade 0; equal grades keep the incoming order.

    Args:
        load_qrels: Called once, when the first list comes.
    """

    name: ClassVar[str] = "oracle"

    def __init__(self, load_qrels: Callable[[], Qrels]) -> None:
        self._load_qrels = load_qrels

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self:  # noqa: ARG003 the contract of all rankers
        return cls(parts.qrels)

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        return [Ranked(Ranking.by_score(c, self._grades(c))) for c in batch]

    def _grades(self, candidates: CandidateList) -> list[float]:
        grades = self._qrels.get(candidates.query.id, {})
        return [float(grades.get(d.id, 0)) for d in candidates.documents]

    @cached_property
    def _qrels(self) -> Qrels:
        return self._load_qrels()
