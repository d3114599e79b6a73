"""What of the vLLM engine can be told without vLLM; all else is in tests/on_vllm."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rerankbench.engines import weights
from rerankbench.engines.vllm_offline import VllmEngine, VllmOptions
from rerankbench.engines.vllm_process import gaps_beside
from rerankbench.errors import MissingExtra

FUSED = [["q_proj", "k_proj", "v_proj"], ["gate_proj", "up_proj"]]


def test_without_vllm_the_extra_is_named_and_the_way_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str, *rest: Any) -> Any:
        return None if name == "vllm" else find_spec(name, *rest)

    monkeypatch.setattr(weights, "find_spec", absent)
    options = VllmOptions(model=str(tmp_path))
    for use in (VllmEngine, VllmEngine.provenance):
        with pytest.raises(MissingExtra, match="engine 'vllm' needs a package that is not installed") as caught:
            use(options)
        assert "pip install 'rerankbench[vllm]'" in caught.value.hint
        assert "make test-vllm" in caught.value.hint


def test_prefixes_are_not_cached_unless_that_is_asked_for() -> None:
    assert not VllmOptions(model="m").prefix_caching


@pytest.mark.parametrize(("key", "value"), [("memory_share", 0), ("memory_share", 1.1), ("tensor_parallel", 0), ("load_format", "dummy")])
def test_options_that_make_no_sense_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        VllmOptions.model_validate({"model": "m", key: value})


def names(*modules: str, layer: int = 0) -> list[str]:
    return [f"model.layers.{layer}.{module}.weight" for module in modules]


def test_a_weight_is_missing_where_one_is_there_that_goes_into_the_same_tensor() -> None:
    whole = names("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj")
    assert gaps_beside(whole, FUSED) == []
    assert gaps_beside([*whole, *names("self_attn.q_proj", layer=1)], FUSED) == names("self_attn.k_proj", "self_attn.v_proj", layer=1)
    assert gaps_beside(names("mlp.up_proj"), FUSED) == names("mlp.gate_proj")


def test_what_is_not_fused_or_no_weight_or_nowhere_at_all_is_not_missed() -> None:
    # Biases: some models have one for the query alone. A layer without the whole group: the library itself misses it.
    biases = [name.replace(".weight", ".bias") for name in names("self_attn.q_proj")]
    assert gaps_beside([*names("self_attn.o_proj", "mlp.down_proj"), *biases], FUSED) == []
    assert gaps_beside(names("self_attn.q_proj"), []) == []
    assert gaps_beside([], FUSED) == []
