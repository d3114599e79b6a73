from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerankbench.engines import vllm_process
from rerankbench.engines.random_weights import (
    RandomTransformersEngine,
    RandomTransformersOptions,
    RandomVllmEngine,
    RandomVllmOptions,
    shape_file,
)
from rerankbench.errors import MissingWeights

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
