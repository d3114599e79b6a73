from __future__ import annotations

import struct
from dataclasses import replace
from hashlib import blake2b
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.engines.cache_values import Keys, call, calls_as_bytes, scores, scores_as_bytes, vectors, vectors_as_bytes
from rerankbench.records import Call, Chat, Finish, Message

TEXT = st.text(st.characters(codec=None), max_size=20)  # lone surrogates too
CHAT = st.builds(
    Chat,
    st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=3).map(tuple),
    st.booleans(),
    TEXT,
)
QUESTION = st.tuples(st.one_of(TEXT, CHAT), st.integers(0, 5), st.lists(st.sampled_from(["", "a", "b", "ab"]), max_size=3).map(tuple))


def test_a_key_is_made_as_its_documentation_says() -> None:
    expected = blake2b(b"s5:embeds2:\xc3\xa4", digest_size=16, key=b"\xab" * 32, person=b"rerankbench 1").digest()
    assert Keys("ab" * 32).of("embed", [("ä",)]) == [expected]


@given(QUESTION, QUESTION)
def test_two_questions_share_a_key_when_they_are_the_same_and_only_then(one: Any, other: Any) -> None:
    first, second, third = Keys("ab").of("generate", [one, other, one])
    assert (first == second) == (one == other)
    assert first == third


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("a", ""), ("", "a")),
        ((("a", "b"),), (("ab",),)),
        (("1",), (1,)),
        (("\ud83d\ude00",), ("😀",)),  # two halves of a character are not the character
        ((Chat((Message("user", "a"),)),), ((("user", "a"),),)),
    ],
)
def test_where_a_question_is_cut_is_part_of_it(one: Any, other: Any) -> None:
    first, second = Keys().of("x", [one, other])
    assert first != second


def test_engine_and_capability_are_part_of_the_key() -> None:
    keys = [Keys(fp).of(kind, [("a",)])[0] for fp in ("", "00", "01") for kind in ("embed", "generate")]
    assert len(set(keys)) == 6


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.binary(min_size=4 * n, max_size=4 * n), min_size=1, max_size=5)))
def test_vectors_come_back_bit_by_bit(rows: list[bytes]) -> None:
    made = np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1)  # any bits: infinities, quiet and other NaNs, minus zero
    found = vectors(vectors_as_bytes(made))
    assert (found.tobytes(), found.shape, found.dtype.name) == (made.tobytes(), made.shape, "float32")
    found[:] = 0  # its own memory


def test_vectors_that_lie_otherwise_in_memory_are_the_same_vectors() -> None:
    made = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert vectors_as_bytes(np.asfortranarray(made)[:, ::2]) == [
        struct.pack("<2f", 0, 2),
        struct.pack("<2f", 4, 6),
        struct.pack("<2f", 8, 10),
    ]


@given(st.lists(st.floats(), max_size=6))
def test_scores_come_back_bit_by_bit(row: list[float]) -> None:
    made = np.array(row, dtype=np.float64)
    assert scores(scores_as_bytes([made, made]), width=len(row)).tobytes() == made.tobytes() * 2
    assert scores(scores_as_bytes(made), width=1).tobytes() == made.tobytes()


CALLS = st.builds(
    Call,
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.floats(0, allow_infinity=False, allow_nan=False),
    st.integers(1, 10**6),
    st.text(st.characters(codec=None)),
    st.just(""),
    st.sampled_from(get_args(Finish)),
    st.floats(0, allow_infinity=False, allow_nan=False),
)


@given(st.lists(CALLS, max_size=4))
def test_calls_come_back_as_they_were_and_kept_ones_without_their_time(made: list[Call]) -> None:
    values = calls_as_bytes(made)
    assert [call(value, fresh=True) for value in values] == made
    assert [call(value, fresh=False) for value in values] == [replace(c, seconds=0.0, batch_size=1, first_token_s=0.0) for c in made]


def test_an_answer_that_was_kept_before_first_tokens_were_timed_is_read_as_it_was() -> None:
    old = b'[3,4,0.5,2,"stop"]\n[1]'
    assert call(old, fresh=True) == Call(3, 4, 0.5, 2, "[1]", finish="stop")
    assert calls_as_bytes([Call(3, 4, 0.5, 2, "[1]", finish="stop")]) == [old]
