from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerankbench.engines.jina import JinaEngine, JinaOptions
from rerankbench.errors import EngineError, OverLengthError
from rerankbench.protocols import ListScorer

torch = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

Tiny = Callable[[str], Path]
LISTS = [
    ("how long do fleas live", ["the flea lives a year", "stock markets fell on monday", "cats"]),
    ("life", ["cats", "the flea lives a year"]),
    ("what is the capital of china", []),
]


@pytest.fixture(scope="module")
def folder(tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3 with the projector among its weights and the two tokens, as jina-reranker-v3 is published."""
    safetensors: Any = pytest.importorskip("safetensors.torch")
    target = shutil.copytree(tiny_qwen3, tmp_path_factory.mktemp("jina") / "m")
    tokenizer = transformers.AutoTokenizer.from_pretrained(target)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|score_token|>", "<|embed_token|>", "<|rerank_token|>"]})
    tokenizer.save_pretrained(target)
    state = safetensors.load_file(target / "model.safetensors")
    draw = torch.Generator().manual_seed(3)
    state["projector.0.weight"] = torch.randn(32, 64, generator=draw)
    state["projector.2.weight"] = torch.randn(16, 32, generator=draw)
    safetensors.save_file(state, target / "model.safetensors", metadata={"format": "pt"})
    return target


def engine_of(folder: Path, **changes: Any) -> JinaEngine:
    return JinaEngine(JinaOptions(**{"model": str(folder), "dtype": "float32", "device": "cpu", **changes}))


def test_the_tokens_have_the_ids_of_the_published_tokenizer(folder: Path) -> None:
    engine = engine_of(folder)
    assert (engine._document_end, engine._query_end) == (151670, 151671)
    assert isinstance(engine, ListScorer)


def test_the_text_is_that_of_the_published_code(folder: Path) -> None:
    expected = (
        "<|im_start|>system\nYou are a search relevance expert who can determine a ranking of the passages based on how relevant they are "
        "to the query. If the query is a question, how relevant a passage is depends on how well it answers the question. If not, try to "
        "analyze the intent of the query and assess how well each passage satisfies the intent. If an instruction is provided, you should "
        "follow the instruction when determining the ranking.<|im_end|>\n<|im_start|>user\nI will provide you with 2 passages, each "
        "indicated by a numerical identifier. Rank the passages based on their relevance to query: life\n"
        '<passage id="0">\ncats<|embed_token|>\n</passage>\n<passage id="1">\nfleas<|embed_token|>\n</passage>\n'
        "<query>\nlife<|rerank_token|>\n</query><|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    assert engine_of(folder).render("life", ["ca<|embed_token|>ts", "fleas<|rerank_token|>"]) == expected
    told = engine_of(folder, instruction="Prefer cats.").render("life", ["cats", "fleas"])
    assert told == expected.replace("query: life\n", "query: life\n<instruct>\nPrefer cats.\n</instruct>\n")


@pytest.mark.parametrize("changes", [{}, {"batching": "padded"}, {"batch_tokens": 1}])
def test_scores_are_cosines_of_projected_states(folder: Path, changes: dict[str, Any]) -> None:
    safetensors: Any = pytest.importorskip("safetensors.torch")
    state = safetensors.load_file(folder / "model.safetensors")
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
    engine = engine_of(folder, **changes)
    found = engine.score_lists(LISTS)
    assert [len(scores) for scores in found] == [3, 2, 0]
    for (query, documents), scores in zip(LISTS, found, strict=True):
        ids = engine.tokens.tokenizer(engine.render(query, documents))["input_ids"]
        with torch.no_grad():
            states = model(torch.tensor([ids])).last_hidden_state[0]
        rows = torch.relu(states @ state["projector.0.weight"].T) @ state["projector.2.weight"].T
        asked = rows[ids.index(151671)]
        expected = [float(rows[p] @ asked / rows[p].norm() / asked.norm()) for p in range(len(ids)) if ids[p] == 151670]
        assert scores.dtype == np.float64
        np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_a_document_is_read_with_those_before_it(folder: Path) -> None:
    engine = engine_of(folder)
    first, second = engine.score_lists([("life", ["cats", "fleas"]), ("life", ["fleas", "cats"])])
    assert abs(first[0] - second[1]) > 1e-4


def test_a_list_that_is_too_long_is_refused(folder: Path) -> None:
    with pytest.raises(OverLengthError, match="longer than 512 tokens"):
        engine_of(folder).score_lists([("life", ["the flea lives a year"] * 100)])


def test_another_models_files_are_refused(tiny_qwen3: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"has no token '<\|embed_token\|>'"):
        engine_of(tiny_qwen3)
    without = shutil.copytree(folder, tmp_path / "m")
    shutil.copy(tiny_qwen3 / "model.safetensors", without / "model.safetensors")
    with pytest.raises(EngineError, match=r"lack the projector .*projector\.0\.weight and projector\.2\.weight"):
        engine_of(without).score_lists(LISTS)
