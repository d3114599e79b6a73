"""What an engine is asked, as keys, and what it answers, as bytes, both exact. Knows neither engines nor where the bytes are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rerankbench.protocols import Doubles, Floats
from rerankbench.records import Call, Chat

FORM = b"rerankbench 1"
"""Part of every key, to be raised when keys or bytes are made otherwise: what was kept in an older form then answers nothing."""

Asked = str | int | Chat | Sequence["Asked"]
"""Whatever decides an answer: a text, a chat, a limit, or several of these in their order."""


class Keys:
    """Makes the keys of one engine's answers. For another engine the same question has another key.

    Args:
        fingerprint: Hexadecimal, 64 bytes at most; empty where no other engine's answers are near.
    """

    def __init__(self, fingerprint: str = "") -> None:
        self._empty = blake2b(digest_size=16, key=bytes.fromhex(fingerprint), person=FORM)

    def of(self, capability: str, questions: Iterable[Sequence[Asked]]) -> list[bytes]:
        """One key a question, same order. 128 bits: a collision among a billion questions has a chance of 1e-21.

        Args:
            questions: Of this capability, each with the same number of parts.
        """
        begun = self._empty.copy()
        begun.update(_written(capability))
        keys = []
        for question in questions:
            digest = begun.copy()
            digest.update(b"".join(map(_written, question)))
            keys.append(digest.digest())
        return keys


def _written(asked: Asked) -> bytes:
    """Kind and length first, so that no two questions are written alike, wherever their parts are cut."""
    if isinstance(asked, str):
        text = asked.encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(text), text)
    if isinstance(asked, int):
        return b"i%d;" % asked
    if isinstance(asked, Chat):
        turns = [(message.role, message.content) for message in asked.messages]
        return b"c" + _written((turns, asked.thinking, asked.answer))
    return b"l%d:%b" % (len(asked), b"".join(map(_written, asked)))


def vectors_as_bytes(vectors: Floats) -> list[bytes]:
    """Each row of a matrix: float32, little-endian."""
    return [row.tobytes() for row in np.ascontiguousarray(vectors, dtype="<f4")]


def scores_as_bytes(scores: Iterable[Any]) -> list[bytes]:
    """Each item, a number or a row of numbers: float64, little-endian."""
    return [np.asarray(row, dtype="<f8").tobytes() for row in scores]


def vectors(values: Sequence[bytes]) -> Floats:
    """At least one vector. Shape (values, dimensions), float32, in memory of its own.

    Raises:
        ValueError: the vectors are not of one length.
    """
    lengths = {len(value) for value in values}
    if len(lengths) != 1:
        raise ValueError(f"vectors of {' and '.join(str(n // 4) for n in sorted(lengths))} dimensions")
    return _numbers(values, "<f4").astype(np.float32, copy=False).reshape(len(values), -1)


def scores(values: Sequence[bytes], width: int) -> Doubles:
    """Shape (values, width), float64, in memory of its own."""
    return _numbers(values, "<f8").astype(np.float64, copy=False).reshape(len(values), width)


def _numbers(values: Sequence[bytes], kind: str) -> NDArray[Any]:
    # A bytearray, because numpy then needs no copy to give out an array that may be written to.
    return np.frombuffer(bytearray().join(values), dtype=kind)


def calls_as_bytes(calls: Iterable[Call]) -> list[bytes]:
    """All but the phase, which is the ranker's word and not the engine's. The text stands apart: JSON cannot hold each that Python can."""
    return [_call_as_bytes(call) for call in calls]


def _call_as_bytes(call: Call) -> bytes:
    # The last one only where it is known: what was kept before there was one is read alike, and answers still.
    told = [call.first_token_s] if call.first_token_s else []
    numbers = orjson.dumps([call.prompt_tokens, call.completion_tokens, call.seconds, call.batch_size, call.finish, *told])
    return b"%b\n%b" % (numbers, call.text.encode("utf-8", "surrogatepass"))


def call(value: bytes, *, fresh: bool) -> Call:
    """The call that was made into these bytes.

    Args:
        fresh: Whether the engine has just made this answer. One that was kept comes with 0.0 seconds, which no engine needs: nobody
            waited for it now, and how long it took once, in other company or on another machine, is no latency of this run.
    """
    head, _, text = value.partition(b"\n")
    prompt_tokens, completion_tokens, seconds, batch_size, finish, *told = orjson.loads(head)
    made = Call(prompt_tokens, completion_tokens, seconds, batch_size, text.decode("utf-8", "surrogatepass"), finish=finish)
    return replace(made, first_token_s=sum(told)) if fresh else replace(made, seconds=0.0, batch_size=1)
