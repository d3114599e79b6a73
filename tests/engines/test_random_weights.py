from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerankbench import registry
from rerankbench.engines import vllm_process
from rerankbench.engines.random_weights import (
    RandomTransformersEngine,
    RandomTransformersOptions,
    RandomVllmEngine,
    RandomVllmOptions,
    shape_file,
)
from rerankbench.errors import EngineError, MissingWeights
from rerankbench.protocols import AnswerForcer
from rerankbench.rankers.listwise import forced_answer

torch = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

Tiny = Callable[[str], Path]


def engine_of(folder: Path, **changes: Any) -> RandomTransformersEngine:
    settings = {"shape": str(folder), "tokenizer": str(folder), "dtype": "float32", "device": "cpu", **changes}
    return RandomTransformersEngine(RandomTransformersOptions(**settings))


@pytest.mark.parametrize(
    ("shape", "parameters"),
    # As published with the weights (the safetensors' own counts on the hub), tied embeddings counted once.
    [("qwen3-0.6b", 596_049_920), ("qwen3-4b", 4_022_468_096), ("qwen3-8b", 8_190_735_360)],
)
def test_shipped_shapes_have_the_published_number_of_parameters(shape: str, parameters: int) -> None:
    configuration = transformers.AutoConfig.from_pretrained(shape_file(shape))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(configuration)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert configuration.dtype == torch.bfloat16


def test_every_table_that_it_touches_must_say_so() -> None:
    for engine in (RandomTransformersEngine, RandomVllmEngine):
        assert engine.caveat == "random weights: a measurement of speed, never of quality"


def test_a_seed_gives_the_same_model_again_and_another_seed_another(tiny: Tiny) -> None:
    first, again, other = (engine_of(tiny("llama"), seed=seed).embed(["the cat"]) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert float(np.abs(first - other).max()) > 1e-3


def test_the_weights_are_not_those_of_the_folder(tiny: Tiny, tmp_path: Path) -> None:
    # A configuration alone is enough.
    (tmp_path / "config.json").write_bytes((tiny("llama") / "config.json").read_bytes())
    options = RandomTransformersOptions(shape=str(tmp_path / "config.json"), tokenizer=str(tiny("llama")), dtype="float32", device="cpu")
    vectors = RandomTransformersEngine(options).embed(["the cat"])
    assert vectors.tobytes() == engine_of(tiny("llama")).embed(["the cat"]).tobytes()


def test_drawing_weights_leaves_the_callers_draws_alone(tiny: Tiny) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3).tolist()
    torch.manual_seed(5)
    engine_of(tiny("llama")).embed(["the cat"])
    assert torch.rand(3).tolist() == expected


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_weights_are_drawn_in_the_type_that_is_asked_for(tiny: Tiny, dtype: str) -> None:
    assert {p.dtype for p in engine_of(tiny("llama"), dtype=dtype)._model("embed").parameters()} == {getattr(torch, dtype)}


def test_it_does_what_a_model_of_its_kind_does(tiny: Tiny) -> None:
    decoder = engine_of(tiny("llama"))
    assert decoder.generate(["the cat", "x"], max_tokens=3)[0].completion_tokens <= 3
    assert decoder.label_scores(["the cat"], ["A", "B"]).shape == (1, 2)
    assert engine_of(tiny("bert"), pair_tokens=64).score_pairs([("query", "document")]).shape == (1,)
    assert len(engine_of(tiny("t5")).generate_fused([["the cat", "x"]], max_tokens=3)) == 1


ANSWERS = ["[2] > [1] > [3]", "[1]", "[3] > [12] > [2] > [1]"]


@pytest.mark.parametrize("model", ["llama", "t5"])
def test_an_answer_is_forced_by_one_step_a_token_and_its_end(tiny: Tiny, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(tiny(model))
    counts = [len(ids) + 1 for ids in engine.tokens.tokenizer(ANSWERS, add_special_tokens=False)["input_ids"]]
    for answers, expected in ((ANSWERS, counts), (ANSWERS[:1], counts[:1])):
        steps: list[int] = []
        model_of = engine._model("generate")
        forward = type(model_of).forward
        monkeypatch.setattr(type(model_of), "forward", lambda self, *a, f=forward, s=steps, **k: (s.append(1), f(self, *a, **k))[1])
        calls = engine.generate_forced(["the cat", "x", "y"][: len(answers)], answers, max_tokens=64)
        monkeypatch.undo()
        assert [call.text for call in calls] == answers
        assert [call.completion_tokens for call in calls] == expected
        assert {call.finish for call in calls} == {"stop"}
        assert all(0 < call.first_token_s < call.seconds for call in calls)
        # The first step reads the prompts; each gives one token's logits to every row that is not done.
        assert len(steps) == max(expected)


def test_forcing_changes_no_answer_that_the_model_gives_by_itself(tiny: Tiny) -> None:
    """A forced answer that is the model's own costs and says the same, so that forcing adds no step and loses none."""
    engine = engine_of(tiny("llama"))
    (own,) = engine.generate(["the cat"], max_tokens=6)
    ids = engine.tokens.tokenizer(own.text, add_special_tokens=False)["input_ids"]
    (forced,) = engine.generate_forced(["the cat"], [own.text], max_tokens=32)
    assert (forced.prompt_tokens, forced.text, forced.completion_tokens) == (own.prompt_tokens, own.text, len(ids) + 1)


def test_a_permutation_of_twenty_costs_91_tokens_of_qwen3(tiny_qwen3: Path) -> None:
    # "[" once, 19 times " >" and " [", 20 times "]", 9 numbers of one digit and 11 of two, each digit a token: 1 + 38 + 20 + 31; the end.
    answer = forced_answer(20, "seed")
    engine = engine_of(tiny_qwen3)
    (call,) = engine.generate_forced(["Rank the passages."], [answer], max_tokens=128)
    assert (call.completion_tokens, call.text, call.finish) == (91, answer, "stop")


def test_an_answer_that_is_longer_than_it_may_be_is_refused(tiny: Tiny) -> None:
    engine = engine_of(tiny("llama"))
    tokens = len(engine.tokens.tokenizer(ANSWERS[0], add_special_tokens=False)["input_ids"])
    assert engine.generate_forced(["x"], ANSWERS[:1], max_tokens=tokens + 1)[0].completion_tokens == tokens + 1
    with pytest.raises(EngineError, match=f"has {tokens + 1} tokens with its end, more than the {tokens}"):
        engine.generate_forced(["x"], ANSWERS[:1], max_tokens=tokens)


def test_logits_that_are_no_numbers_cannot_be_forced_and_that_is_said(tiny: Tiny) -> None:
    engine = engine_of(tiny("llama"))
    with torch.no_grad():
        next(iter(engine._model("generate").parameters())).fill_(float("nan"))
    with pytest.raises(EngineError, match="was to be forced to"):
        engine.generate_forced(["x"], ["[1]"], max_tokens=16)


def test_only_drawn_weights_can_be_forced() -> None:
    able = {name for name in registry.ENGINES if issubclass(registry.find("engine", name), AnswerForcer)}
    assert able == {"random-weights", "random-weights-vllm"}


def test_its_provenance_is_shape_tokenizer_and_seed(tiny: Tiny) -> None:
    options = RandomTransformersOptions(shape="qwen3-0.6b", tokenizer=str(tiny("llama")), seed=3)
    found = RandomTransformersEngine.provenance(options)
    assert found["shape_sha256"] == sha256(shape_file("qwen3-0.6b").read_bytes()).hexdigest()
    assert found["weights"] == "random, seed 3"
    assert len(found["tokenizer_sha256"]) == 64


def test_a_shape_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(MissingWeights, match=r"no shape 'qwen3-0.6'.* Did you mean 'qwen3-0.6b'"):
        shape_file("qwen3-0.6")


def test_vllm_gets_a_folder_with_shape_and_tokenizer_and_draws_the_weights_itself(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_process, "require", lambda _: None)
    monkeypatch.setattr(vllm_process, "prepare", lambda *_: None)
    options = RandomVllmOptions(shape="qwen3-0.6b", tokenizer=str(tiny("llama")), architecture="Qwen3ForSequenceClassification")
    engine = RandomVllmEngine(options)
    folder = engine._folder
    written = json.loads((folder / "config.json").read_text())
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "tokenizer.json", "tokenizer_config.json"]
    assert written == {**json.loads(shape_file("qwen3-0.6b").read_text()), "architectures": ["Qwen3ForSequenceClassification"]}
    arguments = engine._llm_arguments("generate")
    assert (arguments["load_format"], arguments["model"], arguments["tokenizer"]) == ("dummy", str(folder), str(folder))
    del engine
    assert not folder.exists()
