"""Starting vLLM, ending it, and what is said when it cannot be started. The engine's tests without vLLM are in tests/engines."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from on_vllm.conftest import saved
from rerankbench.engines import vllm_process
from rerankbench.engines.vllm_offline import Task, VllmEngine, VllmOptions
from rerankbench.errors import EngineError, MissingWeights, OverLengthError
from rerankbench.protocols import ChatTemplate, Engine, PairScorer, PatternGenerator, TextEmbedder, TextGenerator, Tokens, TokenScorer
from rerankbench.records import Call

library: Any = pytest.importorskip("transformers")

CAPABILITIES = (Engine, TextEmbedder, TextGenerator, PatternGenerator, TokenScorer, PairScorer, Tokens, ChatTemplate)


def made(folder: Path, **changes: Any) -> VllmEngine:
    return VllmEngine(VllmOptions(model=str(folder), enforce_eager=True, **changes))


@pytest.fixture
def edited(small_qwen3: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(small_qwen3, tmp_path / "model"))


def resident_gib() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30


def test_the_environment_is_set_where_it_says_nothing(small_qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "WARNING")
    monkeypatch.delenv("VLLM_NO_USAGE_STATS", raising=False)
    made(small_qwen3)
    assert os.environ["VLLM_LOGGING_LEVEL"] == "WARNING"
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
    assert "HF_HUB_OFFLINE" not in os.environ


def test_nothing_is_started_before_it_is_needed(small_qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_process, "start", lambda *_: pytest.fail("vLLM was started"))
    engine = made(small_qwen3, max_tokens=64)
    for capability in CAPABILITIES:
        assert isinstance(engine, capability)
    assert engine.has_chat_template
    assert engine.max_tokens == 64
    assert engine.count_tokens(["two words<|endoftext|>"]) == [3]
    assert engine.embed([""]).tolist() == [[0.0] * 128]
    for beyond in (lambda: engine.embed(["word " * 70]), lambda: engine.label_scores(["word " * 70], ["A"])):
        with pytest.raises(OverLengthError, match="longer than 64 tokens"):
            beyond()
    engine.synchronise()
    engine.close()


def test_it_ends_and_starts_again_and_another_engine_follows_it_in_the_same_process(small_qwen3: Path) -> None:
    first, second = made(small_qwen3), made(small_qwen3, max_tokens=64)
    answer = first.generate(["x"], max_tokens=4)[0].text
    with pytest.raises(EngineError, match="runs in this process already"):
        second.embed(["x"])
    working = resident_gib()
    first.close()
    # The cache takes 2 GiB where the environment does not say otherwise.
    cache = int(os.environ["VLLM_CPU_KVCACHE_SPACE"])
    assert working - resident_gib() > 0.9 * cache, "memory of the cache, at least, is given back"
    first.close()
    vector = second.embed(["x"])
    # As many tokens as there is room for can be scored, and the token behind them has a position still.
    assert second.label_scores(["word " * 63], ["A"]).shape == (1, 1)
    assert second.count_tokens(["word " * 63]) == [64]
    second.close()
    assert first.generate(["x"], max_tokens=4)[0].text == answer
    assert first.embed(["x"]) == pytest.approx(vector, abs=1e-6)
    first.close()


def test_a_prompt_on_all_positions_of_the_model_leaves_no_token_to_score(edited: Path) -> None:
    change(edited / "config.json", max_position_embeddings=64)
    engine = made(edited)
    assert engine.max_tokens == 64
    with pytest.raises(OverLengthError, match="longer than 63 tokens"):
        engine.label_scores(["word " * 63], ["A"])


class Stub:
    """In place of a `vllm.LLM` that works."""

    def __init__(self, outcome: Exception | KeyboardInterrupt | str) -> None:
        self.outcome = outcome
        self.ended = 0
        self.llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=self.end))

    def end(self) -> None:
        self.ended += 1

    def generate(self, prompts: list[Any], *_: Any, **__: Any) -> list[Any]:
        if not isinstance(self.outcome, str):
            raise self.outcome
        answer = SimpleNamespace(finish_reason=self.outcome, stop_reason=None, token_ids=[1])
        return [SimpleNamespace(outputs=[answer]) for _ in prompts]


@pytest.mark.parametrize(
    ("outcome", "raised", "match"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, ""),
        (RuntimeError("CUDA out of memory\nand more"), EngineError, "vLLM failed at model .*: RuntimeError: CUDA out of memory$"),
    ],
)
def test_what_breaks_off_ends_vllm_with_the_inputs_in_its_queue(
    small_qwen3: Path, outcome: Exception | KeyboardInterrupt, raised: type[BaseException], match: str
) -> None:
    engine, stub = made(small_qwen3), Stub(outcome)
    engine._loaded = ("generate", stub)
    with pytest.raises(raised) as caught:
        engine.generate(["x"], max_tokens=1)
    assert re.search(match, getattr(caught.value, "message", ""))
    assert stub.ended == 1
    assert engine._loaded is None


def test_an_answer_that_vllm_gave_up_is_no_answer(small_qwen3: Path) -> None:
    engine = made(small_qwen3)
    engine._loaded = ("generate", Stub("abort"))
    with pytest.raises(EngineError, match=r"ended an answer of model .* by 'abort'"):
        engine.generate(["x"], max_tokens=1)


def answered(engine: VllmEngine) -> tuple[list[Call], list[int]]:
    """Answers to two prompts that begin alike, asked for twice, and how many of the second time's tokens were known already."""
    prompts = ["flea " * 300 + end for end in ("one", "two")]
    calls = [*engine.generate(prompts, max_tokens=8), *engine.generate(prompts, max_tokens=8)]
    outputs, *_ = engine._continued(("generate",), engine.tokens.prompt_ids(prompts), engine._greedy(1))
    engine.close()
    return calls, [output.num_cached_tokens for output in outputs]


def test_answers_are_the_same_with_prefixes_cached_and_not(small_qwen3: Path) -> None:
    plain, known = answered(made(small_qwen3))
    assert known == [0, 0]
    caching, known = answered(made(small_qwen3, prefix_caching=True))
    # Blocks of 128 tokens on a CPU, smaller ones on a GPU.
    assert min(known) >= 256
    assert [c.text for c in caching] == [c.text for c in plain]


def test_a_checkpoints_sampling_is_not_used_and_its_end_token_is(small_qwen3: Path, edited: Path) -> None:
    engine = made(small_qwen3)
    (plain,) = engine.generate(["hello"], max_tokens=3)
    end = engine._continued(("generate",), engine.tokens.prompt_ids(["hello"]), engine._greedy(3))[0][0].outputs[0].token_ids[1]
    engine.close()
    change(edited / "generation_config.json", do_sample=True, temperature=5.0, repetition_penalty=9.0, eos_token_id=[151645, end])
    engine = made(edited)
    (call,) = engine.generate(["hello"], max_tokens=3)
    engine.close()
    # The end token counts, and is not shown.
    assert (call.finish, call.completion_tokens) == ("stop", 2)
    assert plain.text.startswith(call.text)
    assert call.text


def change(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def arguments(engine: VllmEngine, task: Task) -> dict[str, Any]:
    return {key: value for key, value in engine._llm_arguments(task).items() if key not in {"model", "tokenizer", "pooler_config"}}


def test_options_reach_vllm(small_qwen3: Path) -> None:
    common = {
        "dtype": "float32",  # as stored
        "enable_prefix_caching": False,
        "enforce_eager": True,
        "gpu_memory_utilization": 0.9,
        "model_impl": "vllm",
        "seed": 0,
        "tensor_parallel_size": 1,
        "trust_remote_code": False,
        "use_tqdm_on_load": False,
    }
    engine = made(small_qwen3, max_tokens=1000)
    assert arguments(engine, "embed") == {**common, "runner": "pooling", "convert": "embed", "max_model_len": 1000}
    on_a_cpu = {"max_num_batched_tokens": 2048}
    expected = {**common, **on_a_cpu, "runner": "generate", "logprobs_mode": "raw_logits", "max_model_len": 1001}
    assert arguments(engine, "logits") == expected
    changed = made(small_qwen3, dtype="bfloat16", batch_tokens=99, batch_size=9, memory_share=0.5, seed=7, tensor_parallel=2)
    differing = dict(arguments(changed, "generate").items() - {**common, "runner": "generate", "logprobs_mode": "raw_logprobs"}.items())
    assert differing == {
        "dtype": "bfloat16",
        "gpu_memory_utilization": 0.5,
        "max_model_len": 8192,
        "max_num_batched_tokens": 99,
        "max_num_seqs": 9,
        "seed": 7,
        "tensor_parallel_size": 2,
    }


class WithSmallCache(VllmEngine):
    def _llm_arguments(self, task: Task) -> dict[str, Any]:
        return super()._llm_arguments(task) | {"kv_cache_memory_bytes": 1 << 20}


@pytest.fixture
def _unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's size of the cache would win over an engine's own."""
    monkeypatch.setattr(vllm_process, "ENVIRONMENT", {k: v for k, v in vllm_process.ENVIRONMENT.items() if "KVCACHE" not in k})
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)


@pytest.mark.usefixtures("_unlimited")
def test_a_model_that_does_not_fit_is_told_apart_and_leaves_nothing_behind(small_qwen3: Path) -> None:
    too_large = WithSmallCache(VllmOptions(model=str(small_qwen3), enforce_eager=True))
    with pytest.raises(EngineError, match="does not fit, with room for inputs of 8192 tokens: To serve at least one request") as caught:
        too_large.generate(["x"], max_tokens=1)
    assert "Lower max_tokens" in caught.value.hint
    smaller = WithSmallCache(VllmOptions(model=str(small_qwen3), enforce_eager=True, max_tokens=512))
    assert smaller.generate(["x"], max_tokens=1)[0].completion_tokens == 1
    smaller.close()


def test_an_architecture_that_vllm_does_not_support_is_named(tokenizer_dir: Path, tmp_path: Path) -> None:
    shape = library.OpenAIGPTConfig(vocab_size=1000, n_positions=64, n_embd=64, n_layer=2, n_head=4)
    engine = made(saved("OpenAIGPTLMHeadModel", shape, tokenizer_dir, tmp_path), max_tokens=32)
    with pytest.raises(EngineError, match="does not support the architecture OpenAIGPTLMHeadModel") as caught:
        engine.generate(["x"], max_tokens=1)
    assert caught.value.hint == "Use the engine 'transformers'."
    assert len(caught.value.message) < 400


def test_an_encoder_decoder_is_refused_at_once(tokenizer_dir: Path, tmp_path: Path) -> None:
    shape = library.T5Config(vocab_size=100, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    with pytest.raises(EngineError, match=r"is an encoder-decoder \(T5ForConditionalGeneration\), which vLLM does not support"):
        made(saved("T5ForConditionalGeneration", shape, tokenizer_dir, tmp_path))


def test_weights_that_vllm_would_not_miss_are_missed(edited: Path) -> None:
    safetensors: Any = pytest.importorskip("safetensors.torch")
    state = safetensors.load_file(edited / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    safetensors.save_file(state, edited / "model.safetensors", metadata={"format": "pt"})
    engine = made(edited)
    with pytest.raises(EngineError, match=r"lack 1 weights, the first is 'model\.layers\.1\.mlp\.up_proj\.weight'"):
        engine.embed(["x"])


def test_a_damaged_weights_file_is_an_error_of_ours(edited: Path) -> None:
    (edited / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(EngineError, match="could not be started with model"):
        made(edited).embed(["x"])


def test_a_model_that_is_not_at_hand_is_missing_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingWeights, match="owner/absent"):
        VllmEngine(VllmOptions(model="owner/absent"))
    with pytest.raises(MissingWeights, match="owner/absent"):
        VllmEngine.provenance(VllmOptions(model="owner/absent"))


def test_its_provenance_is_that_of_the_files(small_qwen3: Path, tokenizer_dir: Path) -> None:
    found = VllmEngine.provenance(VllmOptions(model=str(small_qwen3), tokenizer=str(tokenizer_dir)))
    assert sorted(found) == ["tokenizer_sha256", "weights_sha256"]


def test_a_build_without_its_device_says_so(small_qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platforms = vllm_process.part("platforms")
    monkeypatch.setattr(platforms, "_current_platform", vllm_process.part("platforms.interface").UnspecifiedPlatform())
    with pytest.raises(EngineError, match="sees no device") as caught:
        made(small_qwen3)
    assert "make test-vllm" in caught.value.hint


def test_vectors_of_a_model_in_half_precision_are_near(small_qwen3: Path) -> None:
    texts = ["fleas feed on blood", "stock markets fell"]
    vectors = []
    for dtype in ("float32", "bfloat16"):
        engine = made(small_qwen3, dtype=dtype, max_tokens=64)
        vectors.append(engine.embed(texts))
        engine.close()
    cosines = np.vecdot(*vectors)
    assert (cosines > 0.999).all()
    assert (cosines < 1 - 1e-7).all(), "rounded indeed"
