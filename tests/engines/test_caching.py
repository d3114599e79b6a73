from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.answering import Answering
from rerankbench.engines.caching import CachedEngine
from rerankbench.engines.disk_cache import DiskCache
from rerankbench.engines.scripted import ScriptedEngine, ScriptedOptions
from rerankbench.errors import EngineError
from rerankbench.protocols import (
    ChatTemplate,
    Engine,
    Floats,
    FusionGenerator,
    ListScorer,
    PairScorer,
    PatternGenerator,
    TextEmbedder,
    TextGenerator,
    Tokens,
    TokenScorer,
)
from rerankbench.records import Call, Chat, Message

FINGERPRINT = "ab" * 32
CAPABILITIES = (
    *(Engine, TextEmbedder, TextGenerator, PatternGenerator, TokenScorer, PairScorer),
    *(FusionGenerator, ListScorer, Tokens, ChatTemplate),
)


class Bare:
    """An engine with a device and no capability."""

    name: ClassVar[str] = "bare"
    caveat: ClassVar[str] = ""

    def synchronise(self) -> None: ...

    def close(self) -> None: ...


class Generating(Bare):
    def generate(self, prompts: Sequence[object], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        return [Call(1, 1, 1.0) for _ in prompts]


def cached(inner: Engine, root: Path | None = None, **options: Any) -> Any:
    """Typed as anything: which members it has is decided at run time."""
    return CachedEngine(inner, disk=DiskCache(root, FINGERPRINT, {"kind": "answering"}) if root else None, **options)


def asked_of(engine: ScriptedEngine) -> list[object]:
    return [request.asked for request in engine.requests]


def test_each_distinct_text_is_embedded_once_also_within_one_batch() -> None:
    inner = ScriptedEngine(ScriptedOptions())
    engine = cached(inner)
    engine.embed(["a", "b", "a"])
    engine.embed(["b", "c"])
    assert asked_of(inner) == ["a", "b", "c"]
    # The second a and the second b were there already.
    assert engine.counts() == {"embed": {"asked": 5, "preloaded": 0, "memory": 2, "disk": 0, "computed": 3}}


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8), max_size=6), st.integers(0, 6))
def test_what_comes_out_is_what_the_inner_engine_would_give_however_little_is_kept(batches: list[list[str]], rows: int) -> None:
    plain = ScriptedEngine(ScriptedOptions(dims=4))
    engine = cached(ScriptedEngine(ScriptedOptions(dims=4)), max_bytes=rows * 16)  # 4 floats of 4 bytes a row
    for batch in batches:
        found = engine.embed(batch)
        assert (found.dtype, found.shape) == (np.float32, (len(batch), 4))
        assert found.tobytes() == plain.embed(batch).tobytes()


def test_the_least_recently_used_vector_goes_first() -> None:
    inner = ScriptedEngine(ScriptedOptions(dims=4))
    engine = cached(inner, max_bytes=32)  # two rows
    engine.embed(["a", "b"])
    engine.embed(["a"])  # now b is the older one
    engine.embed(["c"])  # b goes
    engine.embed(["a", "c"])
    assert asked_of(inner) == ["a", "b", "c"]
    engine.embed(["b"])
    assert asked_of(inner) == ["a", "b", "c", "b"]


def test_what_a_caller_does_to_its_vectors_does_not_reach_the_cache() -> None:
    engine = cached(ScriptedEngine(ScriptedOptions()))
    first = engine.embed(["a"])
    kept = first.copy()
    first[:] = 0
    assert engine.embed(["a"]).tobytes() == kept.tobytes()


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("inner", [Answering, Generating, Bare, lambda: ScriptedEngine(ScriptedOptions())])
def test_it_has_the_capabilities_of_the_inner_engine_and_no_others(tmp_path: Path, inner: Any, on_disk: bool) -> None:
    plain = inner()
    engine = cached(plain, tmp_path if on_disk else None)
    assert [isinstance(engine, c) for c in CAPABILITIES] == [isinstance(plain, c) for c in CAPABILITIES]
    engine.close()


def test_what_is_not_cached_comes_through() -> None:
    inner = Answering()
    engine = cached(inner)
    assert (engine.max_tokens, engine.count_tokens(["abc"]), engine.truncate("abc", 2)) == (7, [3], "ab")
    assert (engine.has_chat_template, engine.render_chat(Chat((Message("user", "x"),)))) == (True, "x")
    assert engine.pair_tokens([("abc", "d")]) == [(4, 0)]
    assert (engine.name, engine.caveat) == ("answering", "answering is made up")
    engine.synchronise()
    engine.close()
    assert inner.events == ["synchronise", "close"]


def test_without_a_disk_only_vectors_are_kept() -> None:
    inner = Answering()
    engine = cached(inner)
    for _ in range(2):
        engine.embed(["a"])
        engine.generate(["p"], max_tokens=5)
        engine.score_pairs([("q", "d")])
    assert [kind for kind, _ in inner.asked] == ["embed", "generate", "score_pairs", "generate", "score_pairs"]


def test_vectors_made_elsewhere_are_given_until_they_are_forgotten(tmp_path: Path) -> None:
    inner = ScriptedEngine(ScriptedOptions(dims=2))
    engine = cached(inner, tmp_path)
    own = engine.embed(["own"])
    elsewhere = np.array([[0.6, 0.8]], dtype=np.float32)
    engine.preload(["text"], elsewhere)
    assert (engine.embed(["text", "own", "text"]) == np.concatenate([elsewhere, own, elsewhere])).all()
    assert engine.counts() == {"embed": {"asked": 4, "preloaded": 2, "memory": 1, "disk": 0, "computed": 1}}
    engine.forget_preloaded()
    assert (engine.embed(["text", "own"]) == np.concatenate([inner.embed(["text"]), own])).all()
    assert engine.counts()["embed"]["computed"] == 2  # what was embedded here stays
    engine.close()


def test_vectors_made_elsewhere_never_reach_the_disk(tmp_path: Path) -> None:
    engine = cached(ScriptedEngine(ScriptedOptions(dims=2)), tmp_path)
    engine.preload(["a", "b"], np.array([[0.6, 0.8], [0.8, 0.6]], dtype=np.float32))
    engine.embed(["a", "c"])
    engine.close()
    inner = ScriptedEngine(ScriptedOptions(dims=2))
    again = cached(inner, tmp_path)
    found = again.embed(["a", "b", "c"])
    assert asked_of(inner) == ["a", "b"]
    assert (found == inner.embed(["a", "b", "c"])).all()
    again.close()


def test_vectors_made_elsewhere_come_before_those_embedded_here() -> None:
    engine = cached(ScriptedEngine(ScriptedOptions(dims=2)))
    own = engine.embed(["a"])
    elsewhere = np.array([[0.6, 0.8]], dtype=np.float32)
    engine.preload(["a"], elsewhere)
    assert (engine.embed(["a"]) == elsewhere).all()
    engine.forget_preloaded()
    assert (engine.embed(["a"]) == own).all()


CHAT = Chat((Message("system", "s"), Message("user", "u")), thinking=True, answer="<think>")


def ask_everything(engine: Any) -> dict[str, Any]:
    return {
        "embed": engine.embed(["a", "b", "a"]),
        "generate": engine.generate(["p", CHAT, "p"], max_tokens=5, stop=("x",)),
        "generate_pattern": engine.generate_pattern(["p", "p"], max_tokens=5, patterns=["a+", "b+"]),
        "generate_fused": engine.generate_fused([["a", "b"], ["ab"]], max_tokens=5),
        "label_scores": engine.label_scores(["p", CHAT], ["yes", "no"], kind="logit"),
        "score_pairs": engine.score_pairs([("q", "d"), ("q", "e")]),
        "score_lists": engine.score_lists([("q", ["d", "e"]), ("q", ["e"])]),
    }


def as_plain(answers: dict[str, Any]) -> dict[str, Any]:
    """Arrays by their bytes and shape, calls without what was measured of them."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.dtype.str, value.shape, value.tobytes()
        if isinstance(value, Call):
            return value.prompt_tokens, value.completion_tokens, value.text, value.finish
        return [plain(item) for item in value]

    return {kind: plain(value) for kind, value in answers.items()}


def test_every_kind_of_answer_is_kept_across_processes_bit_by_bit(tmp_path: Path) -> None:
    expected = as_plain(ask_everything(Answering()))
    first_inner, second_inner = Answering(), Answering()
    first = cached(first_inner, tmp_path)
    assert as_plain(ask_everything(first)) == expected
    first.close()
    # One question the less where one comes twice.
    assert [len([1 for kind, _ in first_inner.asked if kind == name]) for name in expected] == [2, 2, 2, 2, 2, 2, 2]
    second = cached(second_inner, tmp_path)
    assert as_plain(ask_everything(second)) == expected
    assert second_inner.asked == []
    assert {kind: (n["asked"], n["disk"], n["memory"], n["computed"]) for kind, n in second.counts().items()} == {
        "embed": (3, 2, 1, 0),
        "generate": (3, 2, 1, 0),
        "generate_pattern": (2, 2, 0, 0),
        "generate_fused": (2, 2, 0, 0),
        "label_scores": (2, 2, 0, 0),
        "score_pairs": (2, 2, 0, 0),
        "score_lists": (2, 2, 0, 0),
    }
    second.close()


def test_with_no_memory_at_all_the_disk_answers(tmp_path: Path) -> None:
    inner = Answering()
    engine = cached(inner, tmp_path, max_bytes=0)
    once, again = ask_everything(engine), ask_everything(engine)
    assert as_plain(once) == as_plain(again)
    assert engine.counts()["label_scores"] == {"asked": 4, "preloaded": 0, "memory": 0, "disk": 2, "computed": 2}
    assert len(inner.asked) == 14
    engine.close()


def test_another_engine_never_answers(tmp_path: Path) -> None:
    one = cached(Answering(), tmp_path)
    ask_everything(one)
    one.close()
    inner = Answering(dims=3)
    other: Any = CachedEngine(inner, disk=DiskCache(tmp_path, "cd" * 32, {}))
    assert other.embed(["a"]).shape == (1, 3)
    ask_everything(other)
    assert sum(n["disk"] for n in other.counts().values()) == 0
    other.close()


@pytest.mark.parametrize(
    "other",
    [
        lambda e: e.generate(["p"], max_tokens=6, stop=("x",)),
        lambda e: e.generate(["p"], max_tokens=5),
        lambda e: e.generate(["p"], max_tokens=5, stop=("x", "y")),
        lambda e: e.generate([Chat((Message("user", "p"),))], max_tokens=5, stop=("x",)),
        lambda e: e.generate([Chat(CHAT.messages, thinking=False, answer=CHAT.answer)], max_tokens=5, stop=("x",)),
        lambda e: e.generate([Chat(CHAT.messages, thinking=True)], max_tokens=5, stop=("x",)),
        lambda e: e.generate_pattern(["p"], max_tokens=5, patterns=["c+"]),
        lambda e: e.generate_fused([["a", "b", ""]], max_tokens=5),
        lambda e: e.generate_fused([["b", "a"]], max_tokens=5),
        lambda e: e.label_scores(["p"], ["yes", "no"]),
        lambda e: e.label_scores(["p"], ["no", "yes"], kind="logit"),
        lambda e: e.score_pairs([("d", "q")]),
        lambda e: e.score_lists([("q", ["e", "d"])]),
    ],
)
def test_whatever_decides_an_answer_is_part_of_the_question(tmp_path: Path, other: Any) -> None:
    inner = Answering()
    engine = cached(inner, tmp_path)
    ask_everything(engine)
    before = len(inner.asked)
    other(engine)
    assert len(inner.asked) == before + 1
    engine.close()


def test_an_answer_out_of_the_cache_took_no_time_and_a_fresh_one_took_what_it_took(tmp_path: Path) -> None:
    engine = cached(Answering(), tmp_path)
    fresh = engine.generate(["p", "q"], max_tokens=5)
    mixed = engine.generate(["p", "r"], max_tokens=5)
    engine.close()
    kept = cached(Answering(), tmp_path)
    from_disk = kept.generate(["p", "r"], max_tokens=5)
    kept.close()
    assert [(c.seconds, c.batch_size) for c in fresh] == [(1.5, 2), (1.5, 2)]
    assert [(c.seconds, c.batch_size) for c in mixed] == [(0.0, 1), (1.5, 1)]
    assert [(c.seconds, c.batch_size) for c in from_disk] == [(0.0, 1), (0.0, 1)]
    assert [c.text for c in from_disk] == [c.text for c in mixed]


def test_counts_since_earlier_ones_tell_what_came_after(tmp_path: Path) -> None:
    engine = cached(Answering(), tmp_path)
    engine.embed(["a"])
    engine.generate(["p"], max_tokens=5)
    before = engine.counts()
    engine.embed(["a", "b"])
    assert engine.counts(before) == {"embed": {"asked": 2, "preloaded": 0, "memory": 1, "disk": 0, "computed": 1}}
    engine.close()


def test_no_questions_have_no_answers(tmp_path: Path) -> None:
    engine = cached(Answering(), tmp_path)
    assert engine.embed([]).shape == (0, 4)
    assert engine.generate([], max_tokens=5) == []
    assert engine.label_scores([], ["yes", "no"]).shape == (0, 2)
    assert engine.score_pairs([]).shape == (0,)
    assert engine.score_lists([]) == []
    assert engine.score_lists([("q", [])])[0].shape == (0,)
    engine.close()


def test_vectors_of_another_length_than_those_kept_are_refused(tmp_path: Path) -> None:
    first = cached(Answering(dims=4), tmp_path)
    first.embed(["a"])
    first.close()
    second = cached(Answering(dims=3), tmp_path)
    with pytest.raises(EngineError, match="vectors of 3 and 4 dimensions") as raised:
        second.embed(["a", "b"])
    assert f"cache prune --engine {FINGERPRINT[:16]}" in raised.value.hint
    second.close()


def test_answers_that_are_not_one_a_question_are_refused() -> None:
    class Short(Bare):
        def embed(self, texts: Sequence[str]) -> Floats:
            return np.ones((1, 4), dtype=np.float32)

    with pytest.raises(ValueError, match="zip"):
        cached(Short()).embed(["a", "b"])
