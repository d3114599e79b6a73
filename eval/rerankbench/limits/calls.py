"""From what a ranker called its engine for, to the work of each phase. Knows rankers by the calls that they leave, and no device."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rerankbench.errors import MeasureError
from rerankbench.limits.shape import Shape
from rerankbench.limits.work import Work, cosines, decode, even_lengths, pooled, prefill
from rerankbench.measures.latency import DOCUMENTS
from rerankbench.records import Call, Ranked

PROMPT, SCORE = "encode prompt", "score"
READING, WRITING = "reading prompts", "writing answers"
"""Parts of a phase in which a listwise ranker has its engine generate."""

Pieces = dict[str, dict[str, list[Work]]]
"""Phase, as the run's spans are called → part → the work of one pass, or of the steps of one answer."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts the work of a run's calls.

    Args:
        dtype_bytes: Of a weight, and of a cached key or value.
        documents_at_hand: Whether the documents' vectors were there already.
    """

    shape: Shape
    dtype_bytes: int
    documents_at_hand: bool = False

    def embedding(self, ranked: Sequence[Ranked]) -> Pieces:
        """Of a ranker that encodes documents and one prompt, then compares.

        The journal has the tokens of all of a query's documents together: they are taken to be equally long, which is the least
        attention that so many tokens can need.

        Raises:
            MeasureError: an engine did not count its tokens, or a query has calls of another ranker.
        """
        pieces: Pieces = {DOCUMENTS: {DOCUMENTS: []}, PROMPT: {PROMPT: []}, SCORE: {SCORE: []}}
        for one in ranked:
            for call in one.calls:
                if call.phase not in {DOCUMENTS, PROMPT}:
                    raise _of_another_ranker(one, call)
                if call.phase != DOCUMENTS or not self.documents_at_hand:
                    pieces[call.phase][call.phase].append(self._encoded(one, call))
            if one.calls:
                pieces[SCORE][SCORE].append(cosines(len(one.ranking.doc_ids), self.shape.hidden))
        return pieces

    def listwise(self, ranked: Sequence[Ranked], phase: str) -> Pieces:
        """Of a ranker that has windows put in order, one at a time.

        Args:
            phase: In which span its calls lie: ``generate``, or ``score`` where it reads the order from the first token alone.

        Raises:
            MeasureError: as `embedding`, or several windows were worked on together.
        """
        parts: dict[str, list[Work]] = defaultdict(list)
        for one in ranked:
            for call in one.calls:
                if call.batch_size != 1:
                    raise MeasureError(f"Query {one.ranking.query_id!r}: {call.batch_size} calls at a time, where windows come one by one.")
                self._check_counted(one, call)
                for part, work in self._answered(call):
                    parts[part].append(work)
        return {phase: dict(parts)}

    def _encoded(self, one: Ranked, call: Call) -> Work:
        self._check_counted(one, call)
        documents = len(one.ranking.doc_ids)
        if call.phase != DOCUMENTS:
            lengths = [call.prompt_tokens]
        else:
            # A text that comes twice is encoded once, but its tokens are counted twice: the others are taken to be of mean length.
            distinct = min(call.batch_size, documents)
            lengths = even_lengths(call.prompt_tokens * distinct // documents, distinct)
        return prefill(self.shape, lengths, dtype_bytes=self.dtype_bytes) + pooled(self.shape, len(lengths))

    def _answered(self, call: Call) -> Iterator[tuple[str, Work]]:
        answer = call.completion_tokens
        yield READING, prefill(self.shape, [call.prompt_tokens], dtype_bytes=self.dtype_bytes, outputs=1, keeps_cache=answer > 1)
        if answer > 1:
            yield WRITING, decode(self.shape, [(call.prompt_tokens, answer)], dtype_bytes=self.dtype_bytes)

    @staticmethod
    def _check_counted(one: Ranked, call: Call) -> None:
        if call.prompt_tokens < 1:
            raise MeasureError(f"Query {one.ranking.query_id!r}, {call.phase!r}: the engine counted no tokens, so that no work is known.")


def part_seconds(ranked: Sequence[Ranked], phase_s: float) -> dict[str, float]:
    """Seconds of the parts of a listwise ranker's phase, all queries together; empty where the engine does not tell them apart.

    A prompt was read when the first token of its answer was there; the rest of the phase is writing, all that follows included.

    Args:
        phase_s: Of the phase that the calls lie in, all queries together.
    """
    told = [call.first_token_s for one in ranked for call in one.calls]
    if not told or not all(told):
        return {}
    reading = math.fsum(told)
    return {READING: reading, WRITING: phase_s - reading}


def texts_twice(ranked: Sequence[Ranked]) -> int:
    """How many documents had the text of another one of their list, and were not encoded again."""
    calls = ((one, call) for one in ranked for call in one.calls if call.phase == DOCUMENTS)
    return sum(max(0, len(one.ranking.doc_ids) - call.batch_size) for one, call in calls)


def _of_another_ranker(one: Ranked, call: Call) -> MeasureError:
    return MeasureError(
        f"Query {one.ranking.query_id!r}: {call.phase!r} is no phase of an embedding ranker, so that its work is not known."
    )
