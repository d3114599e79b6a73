"""Hold a loaded model to the outputs that its authors published: whether prompt, end token, pooling and weights are theirs.

It reports and refuses nothing: whoever sees it fail decides what it means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from rerankbench.clock import Clock
from rerankbench.config import System
from rerankbench.config.systems import build_part
from rerankbench.plan import ranker_class
from rerankbench.protocols import Doubles, Engine, Parts, Ranker
from rerankbench.records import CandidateList, Document, Qrels, Query
from rerankbench.reference.golden import Golden, GoldenOutput


@dataclass(frozen=True)
class Checked:
    """One published matrix beside ours.

    Attributes:
        ours: Shape (queries, documents).
        distance: Published engine → the largest difference of a cosine.
    """

    output: GoldenOutput
    ours: Doubles
    distance: dict[str, float]
    tolerance: float

    @property
    def nearest(self) -> str:
        """The published engine that ours is nearest to."""
        return min(self.distance, key=lambda engine: self.distance[engine])

    @property
    def agrees(self) -> bool:
        return self.distance[self.nearest] <= self.tolerance


def check(system: System, engine: Engine, golden: Golden) -> list[Checked]:
    """Rank the published texts in each published mode.

    Args:
        system: Its ranker is an ``embedding`` one; mode and profile are those of each output, all else is its own.
    """
    return [_checked(output, _cosines(system, engine, golden, output), golden.tolerance) for output in golden.outputs]


def explain(checked: Sequence[Checked]) -> str:
    """Which side is off, where one is: what all modes share, or what one of them adds."""
    off = {c.output.mode for c in checked if not c.agrees}
    if not off:
        return "Every published output is met: prompts, end token, pooling and weights are the authors'."
    if off == {"listwise"}:
        return (
            "Plain queries and documents agree, the listwise prompt does not: look at its wording, at the chat template (thinking off), "
            "and that no end token follows it."
        )
    if off == {"query-only"}:
        return "The listwise prompt and the documents agree, plain queries do not: look at their instruction and their end token."
    return "All modes are off, so it is what they share: the documents' end token, the pooling (last token), the dtype, or other weights."


def _checked(output: GoldenOutput, ours: Doubles, tolerance: float) -> Checked:
    distance = {engine: float(np.abs(ours - np.asarray(matrix)).max()) for engine, matrix in output.published.items()}
    return Checked(output, ours, distance, tolerance)


def _cosines(system: System, engine: Engine, golden: Golden, output: GoldenOutput) -> Doubles:
    written = {**system.ranker.as_data(), "mode": output.mode, "profile": output.profile}
    options = build_part("ranker", written, lambda _: f"golden outputs of {system.name}").options
    ranker = cast("Ranker", ranker_class(system).build(options, Parts("", engine, _no_judgements, Clock())))
    documents = tuple(Document(str(i), text) for i, text in enumerate(golden.documents))
    scores = tuple(float(-i) for i in range(len(documents)))
    ranked = ranker.rank([CandidateList(Query(str(i), text), documents, scores) for i, text in enumerate(golden.queries)])
    by_document = [dict(zip(r.ranking.doc_ids, r.ranking.scores or (), strict=True)) for r in ranked]
    return np.asarray([[found[document.id] for document in documents] for found in by_document])


def _no_judgements() -> Qrels:
    return {}
