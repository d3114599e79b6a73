from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankbench.engines import packed_attention
from rerankbench.engines.packed_attention import Sequences, attend, attending_packed
from rerankbench.engines.transformers_batches import packed
from rerankbench.engines.transformers_local import TransformersEngine, TransformersOptions
from rerankbench.errors import EngineError
from rerankbench.protocols import Floats

torch = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

Tiny = Callable[[str], Path]
NOISE = 1e-5
"""Single precision, summed in another order; a token that saw another text is off by more than 1e-2."""


def engine_of(folder: Path, **changes: Any) -> TransformersEngine:
    return TransformersEngine(TransformersOptions(**{"model": str(folder), "dtype": "float32", "device": "cpu", **changes}))


def test_a_row_holds_inputs_one_behind_the_other() -> None:
    row = packed([np.array([7, 8, 9], dtype=np.int32), np.array([5], dtype=np.int32)])
    assert row.ids.tolist() == [[7, 8, 9, 5]]
    assert row.positions.tolist() == [[0, 1, 2, 0]]
    assert row.starts.tolist() == [0, 3, 4]


def by_hand(query: Floats, key: Floats, value: Floats, bounds: list[int], scaling: float) -> Floats:
    """softmax(q·k·scaling) over earlier tokens of the same sequence, in loops; shapes (heads, tokens, size), grouped heads."""
    heads, tokens, size = query.shape
    out = np.zeros((tokens, heads, size))
    group = heads // len(key)
    for token in range(tokens):
        start = max(b for b in bounds if b <= token)
        for head in range(heads):
            scores = key[head // group, start : token + 1] @ query[head, token] * scaling
            weights = np.exp(scores - scores.max())
            out[token, head] = weights / weights.sum() @ value[head // group, start : token + 1]
    return out.astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.sampled_from([(4, 4), (4, 2), (6, 1)]), st.integers(0, 9))
def test_attention_stays_within_a_sequence(lengths: list[int], heads: tuple[int, int], seed: int) -> None:
    bounds = [0, *np.cumsum(lengths).tolist()]
    draw = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(1, h, bounds[-1], 8, generator=draw) for h in (heads[0], heads[1], heads[1]))
    found, weights = attend(
        None, query, key, value, None, scaling=0.3, sequences=Sequences(torch.tensor(bounds, dtype=torch.int32), tuple(bounds))
    )
    assert weights is None
    expected = by_hand(query[0].numpy(), key[0].numpy(), value[0].numpy(), bounds, 0.3)
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-5)


TEXTS = ["the cat lives a year on monday and the flea", "query", "how long do fleas live what is life", "true", "A B C [D] 12"]


@pytest.mark.parametrize("name", ["llama", "mistral", "qwen2"])
def test_packed_numbers_are_those_of_one_text_at_a_time(tiny: Tiny, name: str) -> None:
    engine = engine_of(tiny(name))
    assert engine._packs
    alone = np.concatenate([engine_of(tiny(name), batching="padded").embed([text]) for text in TEXTS])
    np.testing.assert_allclose(engine.embed(TEXTS), alone, atol=NOISE)
    np.testing.assert_allclose(engine_of(tiny(name), batch_tokens=20).embed(TEXTS), alone, atol=NOISE)


def test_packed_numbers_of_qwen3_are_those_of_one_text_at_a_time(tiny_qwen3: Path) -> None:
    texts = ["hello<|endoftext|>", "a much longer passage about the life of fleas and cats " * 8, "字", "two words<|endoftext|>"]
    engine, padded = engine_of(tiny_qwen3, batching="packed"), engine_of(tiny_qwen3, batching="padded")
    np.testing.assert_allclose(engine.embed(texts), np.concatenate([padded.embed([t]) for t in texts]), atol=NOISE)
    alone = np.concatenate([padded.label_scores([t], ["yes", " no"], kind="logit") for t in texts])
    np.testing.assert_allclose(engine.label_scores(texts, ["yes", " no"], kind="logit"), alone, atol=NOISE)


def test_where_it_is_not_known_to_be_right_inputs_are_padded(tiny: Tiny, tiny_qwen3: Path) -> None:
    assert not engine_of(tiny("mistral-window"))._packs  # a window of 4 tokens
    assert engine_of(tiny("mistral-window"), max_tokens=4)._packs  # which no input exceeds
    assert not engine_of(tiny("bert"))._packs
    assert not engine_of(tiny_qwen3, attention="eager")._packs
    with pytest.raises(EngineError, match="cannot work packed"):
        engine_of(tiny_qwen3, attention="eager", batching="packed")
    with pytest.raises(EngineError, match="cannot work packed"):
        engine_of(tiny("mistral-window"), batching="packed")


def test_generating_between_two_packed_calls_changes_neither(tiny: Tiny) -> None:
    engine = engine_of(tiny("llama"))
    before = engine.label_scores(TEXTS, ["A"])
    text = engine.generate(TEXTS, max_tokens=4)[0].text
    assert engine.label_scores(TEXTS, ["A"]).tobytes() == before.tobytes()
    assert engine_of(tiny("llama"), batching="padded").generate(TEXTS, max_tokens=4)[0].text == text


def test_a_model_with_its_attention_built_in_is_refused() -> None:
    built_in = SimpleNamespace(_supports_attention_backend=False, config=SimpleNamespace(_attn_implementation="eager"))
    with pytest.raises(EngineError, match="takes no attention function"), attending_packed(built_in):
        pass


def test_a_model_that_does_not_hand_sequences_on_is_refused() -> None:
    states = torch.zeros(1, 1, 2, 4)
    with pytest.raises(EngineError, match="does not hand on where sequences begin"):
        attend(None, states, states, states, None)


@pytest.mark.parametrize("release", ["2.10", "2.11", "2.12"])
def test_torchs_kernel_is_called_as_each_release_takes_it(monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    """Stands for the kernel, which needs a GPU: the arguments that it was given are computed by the loop over sequences."""
    varlen: Any = pytest.importorskip("torch.nn.attention.varlen")
    bounds = [0, 3, 4]

    def compute(q: Any, k: Any, v: Any, scale: float | None) -> Any:
        q, k, v = (states.transpose(0, 1).unsqueeze(0) for states in (q, k, v))
        return packed_attention._one_by_one(q, k, v, scale, tuple(bounds))[0]

    def old(q: Any, k: Any, v: Any, a: Any, b: Any, m: int, n: int, is_causal: bool = False) -> Any:
        assert is_causal
        assert (q.shape[1], k.shape[1], v.shape[1], m, n) == (4, 4, 4, 3, 3)
        return compute(q, k, v, None)

    def middle(q: Any, k: Any, v: Any, a: Any, b: Any, m: int, n: int, *, scale: Any = None, window_size: Any = (-1, -1)) -> Any:
        assert (window_size, k.shape[1], v.shape[1]) == ((-1, 0), 4, 4)
        return compute(q, k, v, scale)

    def new(
        q: Any, k: Any, v: Any, a: Any, b: Any, m: int, n: int, *, scale: Any = None, window_size: Any = (-1, -1), enable_gqa: bool = False
    ) -> Any:
        assert (window_size, enable_gqa, k.shape[1]) == ((-1, 0), True, 2)
        return compute(q, k, v, scale)

    monkeypatch.setattr(varlen, "varlen_attn", {"2.10": old, "2.11": middle, "2.12": new}[release])
    packed_attention._varlen.cache_clear()
    kernel = packed_attention._varlen()
    packed_attention._varlen.cache_clear()
    assert kernel is not None
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(4, h, 8, generator=draw) for h in (4, 2, 2))
    found = kernel(query, key, value, Sequences(torch.tensor(bounds, dtype=torch.int32), tuple(bounds)), 0.3)
    q, k, v = (x.transpose(0, 1).numpy() for x in (query, key, value))
    expected = by_hand(q, k, v, bounds, 0.3)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
