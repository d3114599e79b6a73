"""Greedy answers from a model of the transformers library: what ends them, and where a stop text cuts them. Knows no ranker."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from rerankbench.records import Call, Finish

if TYPE_CHECKING:
    import torch


def decode_greedily(model: Any, tokenizer: Any, pad_id: int) -> None:
    """Forget the sampling that a checkpoint recommends, and keep its start and end tokens."""
    from transformers import GenerationConfig

    stored, settings = model.generation_config, cast(Any, GenerationConfig)
    ends = stored.eos_token_id if stored.eos_token_id is not None else tokenizer.eos_token_id
    start = getattr(stored, "decoder_start_token_id", None)
    if start is None:
        start = getattr(model.config, "decoder_start_token_id", None)
    # Replaced, not overridden call by call: a stored repetition penalty would stay in force and change even greedy answers.
    model.generation_config = settings(do_sample=False, num_beams=1, eos_token_id=ends, pad_token_id=pad_id, decoder_start_token_id=start)


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends an answer besides its end token.

    Attributes:
        stop: It ends before the first of these texts.
    """

    max_tokens: int
    stop: tuple[str, ...] = ()


def answers(
    model: Any,
    tokenizer: Any,
    inputs: Mapping[str, Any],
    limits: Limits,
    *,
    skipped: int,
    prompt_tokens: Sequence[int],
    synchronise: Callable[[], None],
    forced: Sequence[Sequence[int]] = (),
) -> list[Call]:
    """One call a row of `inputs`, greedy.

    Args:
        inputs: As the library's `generate` takes them.
        skipped: Tokens at the beginning of what it gives back that are no answer: the prompt, or a decoder's start token.
        prompt_tokens: What each row counts.
        synchronise: Returns when the device has finished; asked for once, when the first tokens are chosen.
        forced: What each row is made to answer, end token included; empty: what it wants.
    """
    began, stop = time.perf_counter(), limits.stop

    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    watch = StopTexts(decode, stop, skipped) if stop else None
    first = FirstToken(synchronise)
    hooks = {
        "stopping_criteria": [first, watch] if watch else [first],
        "logits_processor": [ForcedTokens(forced, skipped, inputs["attention_mask"].device)] if forced else [],
    }
    out = model.generate(**inputs, max_new_tokens=limits.max_tokens, **hooks)
    ends = end_ids(model.generation_config.eos_token_id)
    found = [
        _answer(row, ends, watch.ends[position] if watch and watch.ends else None, decode, stop)
        for position, row in enumerate(out[:, skipped:].tolist())
    ]
    seconds = time.perf_counter() - began
    return [
        Call(prompt, tokens, seconds, len(found), text, finish=finish, first_token_s=max(0.0, first.there_s - began))
        for prompt, (tokens, text, finish) in zip(prompt_tokens, found, strict=True)
    ]


class FirstToken:
    """A stopping criterion of the library that stops nothing: it is asked behind every token, and notes when the first one was there.

    Attributes:
        there_s: As `now` counts; 0 before there was a token.
    """

    def __init__(self, synchronise: Callable[[], None], now: Callable[[], float] = time.perf_counter) -> None:
        self.there_s = 0.0
        self._synchronise = synchronise
        self._now = now

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:  # noqa: ARG002  the library's interface
        if not self.there_s:
            self._synchronise()  # once an answer: behind every token it would keep the host from running ahead
            self.there_s = self._now()
        return input_ids.new_zeros(input_ids.shape[0]).bool()


class ForcedTokens:
    """A logits processor of the library: when a step's logits are computed, it lifts the next token of each row's answer above all others.

    The library then takes the highest of the vocabulary, as for any greedy answer.

    Args:
        answers: Token ids, the end token included.
    """

    def __init__(self, answers: Sequence[Sequence[int]], skipped: int, device: torch.device) -> None:
        from torch import tensor

        longest = max(map(len, answers))
        # What stands behind an answer's end is never taken: the library fills up rows that have ended.
        self._ids = tensor([[*ids, *[ids[-1]] * (longest - len(ids))] for ids in answers], device=device)
        self._skipped = skipped

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        step = input_ids.shape[1] - self._skipped
        return scores.scatter_(1, self._ids[:, step : step + 1], math.inf)


class StopTexts:
    """A stopping criterion of the library: ends each row of a batch once its answer holds one of the texts.

    Attributes:
        ends: Tokens of each row's answer when it was found to be complete; None for rows that go on.
    """

    def __init__(self, decode: Callable[[list[int]], str], stop: Sequence[str], skipped: int) -> None:
        self.ends: list[int | None] = []
        self._decode = decode
        self._stop = tuple(stop)
        self._skipped = skipped
        # A token that shows anything shows at least one byte; the rest is room for tokens that show nothing.
        self._tail = max(len(text.encode()) for text in stop) + 16

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:  # noqa: ARG002  the library's interface
        answered = input_ids.shape[1] - self._skipped
        self.ends = self.ends or [None] * input_ids.shape[0]
        tails = input_ids[:, self._skipped + max(0, answered - self._tail) :].tolist()
        for row, tail in enumerate(tails):
            if self.ends[row] is None and _first_stop(self._decode(tail), self._stop) is not None:
                self.ends[row] = answered
        return input_ids.new_tensor([end is not None for end in self.ends]).bool()


def _answer(
    row: list[int], ends: frozenset[int], stopped: int | None, decode: Callable[[list[int]], str], stop: Sequence[str]
) -> tuple[int, str, Finish]:
    """Tokens, text and finish of one row of the library's output, which is padded behind its end."""
    ended = next((position + 1 for position, i in enumerate(row) if i in ends), None)
    ids = row[: min(n for n in (ended, stopped, len(row)) if n is not None)]
    # A token that ends an answer counts, and is not shown even where the tokenizer does not call it special.
    text = decode(ids[:-1] if ended == len(ids) else ids)
    cut = _first_stop(text, stop)
    return len(ids), text[:cut], "stop" if cut is not None or ended is not None else "length"


def _first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the first of the stop texts begins."""
    places = [place for place in map(text.find, stop) if place >= 0]
    return min(places, default=None)


def end_ids(stored: int | list[int] | None) -> frozenset[int]:
    """The end tokens as a generation configuration holds them: one, several, or none."""
    if stored is None:
        return frozenset()
    return frozenset(stored if isinstance(stored, list) else (stored,))
