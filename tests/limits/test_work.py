"""Work by hand for a shape that fits on paper, and against torch's own count of operations."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from rerankbench.engines.random_weights import shape_file
from rerankbench.limits import Shape, Work, cosines, decode, even_lengths, pooled, prefill, read_shape, shape_from, total

# Two layers; 4 numbers a state, 6 within the unit, two heads of 3 numbers that share one key and value, 10 words.
# A layer's matrices: 4x6 queries, 4x3 keys, 4x3 values, 6x4 out, three of 4x6: 24 + 12 + 12 + 24 + 72 = 144; both: 288.
# Norms: two of 4 a layer, one of 4 behind: 20. The body: 308. The table: 40.
TINY = Shape("tiny", layers=2, hidden=4, intermediate=6, heads=2, kv_heads=1, head_size=3, vocabulary=10)


def test_the_tiny_shape_has_the_weights_that_were_counted_by_hand() -> None:
    assert (TINY.matrices, TINY.body, TINY.table, TINY.parameters) == (288, 308, 40, 308 + 2 * 40)


def test_packed_sequences_read_the_weights_once_and_attend_within_themselves() -> None:
    assert prefill(TINY, [3, 2], dtype_bytes=2) == Work(
        linear=2 * 288 * 5,
        # 1+2+3 and 1+2 pairs, 9 in all; each 4 operations x 6 numbers of all heads x 2 layers
        attention=9 * 4 * 6 * 2,
        # a token: in each layer two norms of 4 numbers, and one behind: 4 x (2 x 8 + 4)
        norms=80 * 5,
        weight_bytes=308 * 2,
        embedding_bytes=5 * 4 * 2,
    )


def test_a_prompt_that_is_answered_needs_the_head_once_and_keeps_keys_and_values() -> None:
    work = prefill(TINY, [3], dtype_bytes=4, outputs=1, keeps_cache=True)
    assert work.head == 2 * 40
    assert work.weight_bytes == (308 + 40) * 4
    assert work.cache_bytes == 3 * (2 * 3 * 2) * 4  # a token: keys and values of 3 numbers in 2 layers


def test_an_answer_of_three_tokens_takes_two_steps_over_what_is_cached() -> None:
    # Behind a prompt of 5 tokens: the first step sees 6, its own among them, the second 7: 13.
    assert decode(TINY, [(5, 3)], dtype_bytes=2) == Work(
        linear=2 * 288 * 2,
        attention=13 * 4 * 6 * 2,
        head=2 * 40 * 2,
        norms=80 * 2,
        weight_bytes=(308 + 40) * 2 * 2,
        embedding_bytes=2 * 4 * 2,
        # reads 5 and writes 1, then reads 6 and writes 1
        cache_bytes=(5 + 1 + 6 + 1) * 12 * 2,
    )


def test_answers_that_go_on_together_share_the_weights_and_nothing_else() -> None:
    one, other = decode(TINY, [(5, 3)], dtype_bytes=2), decode(TINY, [(7, 2)], dtype_bytes=2)
    both = decode(TINY, [(5, 3), (7, 2)], dtype_bytes=2)
    assert (both.flops, both.cache_bytes) == (one.flops + other.flops, one.cache_bytes + other.cache_bytes)
    assert both.weight_bytes == one.weight_bytes  # two steps in all, one of them for both


@pytest.mark.parametrize("answer", [0, 1])
def test_an_answer_that_the_prefill_gave_takes_no_step(answer: int) -> None:
    assert decode(TINY, [(5, answer)], dtype_bytes=2) == Work()


def test_nothing_is_read_for_no_token() -> None:
    assert prefill(TINY, [], dtype_bytes=2) == prefill(TINY, [0, 0], dtype_bytes=2) == Work()


def test_a_window_ends_what_a_token_sees() -> None:
    from dataclasses import replace

    windowed = replace(TINY, window=2)
    # Of 4 tokens the places see 1, 2, 2, 2: 7, not 10.
    assert prefill(windowed, [4], dtype_bytes=2).attention == 7 * 4 * 6 * 2
    assert decode(windowed, [(4, 2)], dtype_bytes=2).cache_bytes == 2 * 12 * 2


def test_norms_of_single_heads_are_counted() -> None:
    from dataclasses import replace

    # Besides the 80: in each of two layers 6 numbers of queries and 3 of keys, four operations each.
    assert prefill(replace(TINY, head_norms=True), [1], dtype_bytes=2).norms == 80 + 4 * 2 * 9


def test_vectors_are_read_and_scores_written_in_single_precision() -> None:
    assert cosines(100, 4) == Work(scoring=2 * 4 * 100, vector_bytes=4 * (101 * 4 + 100))
    assert pooled(TINY, 3) == Work(norms=3 * 4 * 3, vector_bytes=3 * 4 * 4)


def test_the_limit_leaves_norms_out_and_works_add_up() -> None:
    work = total([Work(linear=1, attention=2, head=3, scoring=4, norms=100), Work(linear=10, weight_bytes=5, cache_bytes=6)])
    assert (work.flops, work.norms, work.bytes) == (20, 100, 11)
    assert total([]) == Work()


def test_even_lengths_have_the_least_pairs_of_all_that_have_as_many_tokens() -> None:
    assert even_lengths(11, 3) == [4, 4, 3]
    assert even_lengths(0, 0) == []
    uneven = [[9, 1, 1], [5, 3, 3], [5, 4, 2], [6, 3, 2]]
    least = prefill(TINY, even_lengths(11, 3), dtype_bytes=2).attention
    assert all(prefill(TINY, lengths, dtype_bytes=2).attention > least for lengths in uneven)


SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3"])
def test_torch_counts_the_same_products(kind: str) -> None:
    torch = pytest.importorskip("torch")
    length = 12
    model = _model({"model_type": kind, **SMALL})
    (linear, attention), _ = _counted(model, torch.arange(length)[None], use_cache=False, logits_to_keep=1)
    work = prefill(shape_from({"model_type": kind, **SMALL}, "small"), [length], dtype_bytes=4, outputs=1)
    assert work.linear + work.head == linear
    # The causal half, its diagonal included: n (n + 1) / 2 of n² pairs.
    assert 2 * length * work.attention == (length + 1) * attention


def test_torch_counts_the_same_products_of_a_prompt_and_of_each_step_behind_it() -> None:
    torch = pytest.importorskip("torch")
    prompt, answer = 12, 4
    config = orjson.loads(shape_file("qwen3-tiny").read_bytes())
    model, shape = _model(config), read_shape(shape_file("qwen3-tiny"))
    (linear, attention), cache = _counted(model, torch.arange(prompt)[None], use_cache=True, logits_to_keep=1)
    work = prefill(shape, [prompt], dtype_bytes=4, outputs=1, keeps_cache=True)
    assert work.linear + work.head == linear
    assert 2 * prompt * work.attention == (prompt + 1) * attention
    linear = attention = 0
    for step in range(1, answer):  # the prompt's pass gave the first token
        counted, cache = _counted(model, torch.tensor([[step]]), use_cache=True, past_key_values=cache)
        linear, attention = linear + counted[0], attention + counted[1]
    steps = decode(shape, [(prompt, answer)], dtype_bytes=4)
    # One token attends to all that is cached and to itself: there is no half to leave out.
    assert (steps.linear + steps.head, steps.attention) == (linear, attention)


def _model(config: dict[str, Any]) -> Any:
    """Of random weights. "eager": attention as two plain products, which are counted alike whatever kernel a device would take."""
    transformers = pytest.importorskip("transformers")
    kind, others = config["model_type"], {key: value for key, value in config.items() if key != "model_type"}
    settings = transformers.AutoConfig.for_model(kind, **others)
    return transformers.AutoModelForCausalLM.from_config(settings, attn_implementation="eager").eval()


def _counted(model: Any, tokens: Any, **arguments: Any) -> tuple[tuple[int, int], Any]:
    """By torch: operations of the matrices and of attention, as the whole square; no norm, activation or bias. Then the cache."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        done = model(tokens, **arguments)
    by_module = {name: {str(what): n for what, n in of.items()} for name, of in counter.get_flop_counts().items()}
    # By module, for some versions of the library make the angles of the positions as one product, outside of the layers.
    attention = sum(of.get("aten.bmm", 0) for name, of in by_module.items() if name.endswith(".self_attn"))
    return (sum(n for what, n in by_module["Global"].items() if what != "aten.bmm"), attention), done.past_key_values
