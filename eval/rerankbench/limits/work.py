"""The arithmetic and the traffic that a decoder cannot do without, from its shape and the numbers of tokens. Knows no device.

Counted as floating-point operations, a multiplication and an addition each as one: the products of every token with the layers'
matrices (`linear`), of its query with the keys and of the weights with the values that it may see (`attention`: the causal half, not
the whole square), of single positions with the language head (`head`), and of vectors with each other (`scoring`). `norms` stands
apart: four operations a number of an RMS norm, which no matrix unit does. Not counted: rotary positions, softmax, the gate's
activation, residual sums, biases; together they are a few per thousand of the rest.

Counted as bytes: weights once a pass, the rows of the table of embeddings, keys and values written and read again, vectors. What lies
between two layers may stay on the chip, so that it is not counted. All is a lower bound: an engine may move and compute more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from rerankbench.limits.shape import Shape

DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_VECTOR_BYTES = 4
"""Vectors leave an engine in single precision whatever it computes in."""


@dataclass(frozen=True, slots=True)
class Work:
    """Operations by what they are for, then bytes by what is moved. Works add up field by field."""

    linear: int = 0
    attention: int = 0
    head: int = 0
    scoring: int = 0
    norms: int = 0
    weight_bytes: int = 0
    embedding_bytes: int = 0
    cache_bytes: int = 0
    vector_bytes: int = 0

    @property
    def flops(self) -> int:
        """Operations of products of matrices and vectors: all but `norms`."""
        return self.linear + self.attention + self.head + self.scoring

    @property
    def bytes(self) -> int:
        return self.weight_bytes + self.embedding_bytes + self.cache_bytes + self.vector_bytes

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def total(works: Iterable[Work]) -> Work:
    """The sum; of none it is no work."""
    return sum(works, Work())


def prefill(shape: Shape, lengths: Sequence[int], *, dtype_bytes: int, outputs: int = 0, keeps_cache: bool = False) -> Work:
    """One pass over whole sequences, packed: no token of padding is computed.

    Args:
        lengths: Tokens of each sequence; one without tokens takes no part.
        outputs: At how many positions the language head works.
        keeps_cache: Whether keys and values are written down for later.
    """
    tokens = sum(lengths)
    if tokens == 0:
        return Work()
    return Work(
        linear=2 * shape.matrices * tokens,
        attention=_attention(shape, sum(_seen_in_all(shape, length) for length in lengths)),
        head=2 * shape.table * outputs,
        norms=_norms(shape) * tokens,
        weight_bytes=(shape.body + shape.table * (outputs > 0)) * dtype_bytes,
        embedding_bytes=tokens * shape.hidden * dtype_bytes,
        cache_bytes=_cached(shape) * tokens * dtype_bytes if keeps_cache else 0,
    )


def decode(shape: Shape, answers: Sequence[tuple[int, int]], *, dtype_bytes: int) -> Work:
    """All steps behind a prefill, one token of every unfinished answer at a step, with a cache of keys and values.

    The prefill gives an answer its first token, so that an answer of n tokens takes n - 1 steps. A step reads the weights once for
    all answers that go on, reads the keys and values of earlier tokens that an answer may see, and writes those of its own.

    Args:
        answers: Tokens of each prompt and of the answer to it.
    """
    steps = [(prompt, max(0, answer - 1)) for prompt, answer in answers]
    tokens, passes = sum(n for _, n in steps), max((n for _, n in steps), default=0)
    # At step k of an answer there are prompt + k tokens, its own among them.
    seen = sum(_seen(shape, prompt + k) for prompt, n in steps for k in range(1, n + 1))
    # Each step reads what it sees but its own token, and writes that one: as many as it sees.
    return Work(
        linear=2 * shape.matrices * tokens,
        attention=_attention(shape, seen),
        head=2 * shape.table * tokens,
        norms=_norms(shape) * tokens,
        weight_bytes=(shape.body + shape.table) * passes * dtype_bytes,
        embedding_bytes=tokens * shape.hidden * dtype_bytes,
        cache_bytes=_cached(shape) * seen * dtype_bytes,
    )


def pooled(shape: Shape, texts: int) -> Work:
    """The last token's state of each text, made a vector of unit length: three operations a number, which are no product."""
    return Work(norms=3 * shape.hidden * texts, vector_bytes=texts * shape.hidden * _VECTOR_BYTES)


def cosines(vectors: int, size: int) -> Work:
    """One vector of unit length against each of `vectors`: all are read once, a score each is written, in single precision."""
    return Work(scoring=2 * size * vectors, vector_bytes=((vectors + 1) * size + vectors) * _VECTOR_BYTES)


def even_lengths(tokens: int, texts: int) -> list[int]:
    """Texts as even as whole numbers allow: of all that have these tokens together, the ones with the least attention."""
    if texts == 0:
        return []
    length, longer = divmod(tokens, texts)
    return [length + 1] * longer + [length] * (texts - longer)


def _attention(shape: Shape, pairs: int) -> int:
    """Query by key, then weight by value, in every head of every layer: four operations a pair and number."""
    return 4 * shape.query_size * shape.layers * pairs


def _norms(shape: Shape) -> int:
    """Of one token: square, sum, divide by the root, scale."""
    in_heads = (shape.query_size + shape.kv_size) * shape.head_norms
    return 4 * (shape.layers * (2 * shape.hidden + in_heads) + shape.hidden)


def _cached(shape: Shape) -> int:
    """Numbers of one token's keys and values in all layers."""
    return 2 * shape.kv_size * shape.layers


def _seen(shape: Shape, place: int) -> int:
    """How many tokens the one at `place`, counted from 1, attends to."""
    return place if shape.window is None else min(place, shape.window)


def _seen_in_all(shape: Shape, length: int) -> int:
    """Pairs of tokens of a whole sequence: 1 + 2 + … + length, or less where a window ends it."""
    inside = _seen(shape, length)
    return inside * (inside + 1) // 2 + (length - inside) * inside
