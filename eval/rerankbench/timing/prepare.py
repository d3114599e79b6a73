"""From a loaded engine to the state in which queries are timed: documents at hand, warmed up. Knows no run folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

from rerankbench.clock import Clock
from rerankbench.config import Timing
from rerankbench.engines.caching import CachedEngine
from rerankbench.errors import ConfigError
from rerankbench.measures.latency import WHOLE
from rerankbench.protocols import EncodesDocuments, ForgetsInputs, Ranker, TextEmbedder
from rerankbench.records import CandidateList, Span


def queries_at_once(timing: Timing | None, lists: Sequence[CandidateList], at_once: int | None = None) -> int | None:
    """How many queries a timing hands to a ranker together; None where that is not for it to say.

    Args:
        at_once: Of ``throughput``; None is all of them.
    """
    return {"cold": 1, "documents-warm": 1, "throughput": at_once or max(1, len(lists))}[timing] if timing else None


def prepared(
    ranker: Ranker,
    engine: CachedEngine | None,
    clock: Clock,
    lists: Sequence[CandidateList],
    *,
    timing: Timing,
    warmup: int,
    at_once: int | None = None,
) -> list[Span]:
    """Bring ranker and engine into the state that `timing` asks for. After every start: a model that was loaded again is cold.

    Args:
        lists: Those that will be timed; of none nothing is prepared.
        warmup: How many of them are ranked before, from the first on, and over again where there are fewer.
        at_once: See `queries_at_once`.

    Returns:
        The spans of the warm-up, marked as such.

    Raises:
        ConfigError: documents are to be at hand for a ranker that encodes none apart from its prompts.
    """
    if timing == "documents-warm":
        _put_at_hand(ranker, engine, lists)
    first = list(islice(cycle(lists), warmup))
    size = queries_at_once(timing, first, at_once) or 1
    with clock.warming_up():
        for start in range(0, len(first), size):
            batch = first[start : start + size]
            with clock.span(WHOLE, query_ids=[candidates.query.id for candidates in batch]):
                ranker.rank(batch)
    return clock.drain()


def forget(ranker: Ranker, engine: CachedEngine | None, batch: Sequence[CandidateList], timing: Timing) -> None:
    """Before a batch is timed, let the engine forget earlier inputs: queries share nothing, be it with the warm-up or with one another.

    What the windows of one query share is theirs, and is not forgotten between them. Of documents at hand the lengths are known, too.
    """
    if isinstance(engine, ForgetsInputs):
        engine.forget_inputs()
        if timing == "documents-warm" and isinstance(ranker, EncodesDocuments):
            ranker.document_inputs(batch)


def _put_at_hand(ranker: Ranker, engine: CachedEngine | None, lists: Sequence[CandidateList]) -> None:
    """Embed every document once, list by list, as if an index had its vector. The prompts' vectors are not kept: each is new."""
    if not isinstance(ranker, EncodesDocuments) or engine is None or not isinstance(engine, TextEmbedder):
        raise ConfigError(f"The ranker {ranker.name!r} encodes no documents apart from its prompts: none can be at hand.")
    known: set[str] = set()
    for candidates in lists:
        texts = [text for text in ranker.document_inputs([candidates]) if text not in known]
        if texts:
            engine.preload(texts, engine.embed(texts))
            known.update(texts)
