"""Tests of the vLLM engine. They run where vLLM is installed, in an environment of its own; elsewhere every one of them is skipped.

Not called `vllm`: `tests` is on the import path, and an `import vllm` would find this folder where there is no vLLM.
"""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rerankbench.records import CandidateList, Document, Query

HERE = Path(__file__).parent
NO_VLLM = "vLLM is not installed here; it has an environment of its own: make test-vllm"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_spec("vllm") is None:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason=NO_VLLM))


@pytest.fixture(scope="session")
def tokenizer_dir(data_dir: Path) -> Path:
    return data_dir / "tokenizers" / "Qwen3-0.6B"


@pytest.fixture(scope="session")
def small_qwen3(tokenizer_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a `Qwen3ForCausalLM`: two layers of 128 numbers, 20 million parameters, and the real tokenizer.

    Its weights are drawn ten times as wide as usual: cosines of documents then spread over one unit and best tokens lead by about
    one, so that orders and answers are decided by the model and not by rounding.
    """
    transformers: Any = pytest.importorskip("transformers")
    return saved("Qwen3ForCausalLM", qwen3_shape(transformers), tokenizer_dir, tmp_path_factory.mktemp("small-qwen3"))


@pytest.fixture(scope="session")
def dl19(data_dir: Path) -> list[CandidateList]:
    """BM25's 43 lists of 100 documents."""
    with (data_dir / "retrieval_results" / "bm25" / "dl19_top100.jsonl").open(encoding="utf-8") as file:
        return [_candidates(json.loads(line)) for line in file]


def qwen3_shape(transformers: Any, **changes: Any) -> Any:
    shape = {
        "vocab_size": 151936,
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "intermediate_size": 256,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "eos_token_id": 151645,  # <|im_end|>
        "pad_token_id": 151643,  # <|endoftext|>
        "initializer_range": 0.2,
    }
    return transformers.Qwen3Config(**shape | changes)


def saved(architecture: str, shape: Any, tokenizer: Path, folder: Path) -> Path:
    """Save a model of this class with random weights, always the same, and a tokenizer beside it."""
    torch: Any = pytest.importorskip("torch")
    transformers: Any = pytest.importorskip("transformers")
    torch.manual_seed(0)
    getattr(transformers, architecture)(shape).save_pretrained(folder)
    for file in tokenizer.iterdir():
        shutil.copy(file, folder / file.name)
    return folder


def _candidates(record: dict[str, Any]) -> CandidateList:
    hits = record["hits"]
    documents = tuple(Document(h["docid"], h["content"]) for h in hits)
    return CandidateList(Query(str(hits[0]["qid"]), record["query"]), documents, tuple(h["score"] for h in hits))
