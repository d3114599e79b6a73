"""A previewed prompt is, byte by byte, what the engine would be given."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from laboratory import TinyBenchmarks, Watched, experiment, run, write_mirror
from rerankbench.benchmarks import Benchmarks
from rerankbench.config import System, load_systems
from rerankbench.errors import MissingData, UsageError
from rerankbench.preview import preview
from rerankbench.records import CandidateList, Document, Query


def _shown(system: System, tokenizer: Path | None = None) -> Any:
    mini = Benchmarks(None).open("mini")
    return preview(system, mini, mini.candidates("bm25", 50)[0], tokenizer)


def test_the_preview_is_what_the_engine_gets(tmp_path: Path) -> None:
    Watched.reset()
    mirror = write_mirror(tmp_path / "mirror")
    asked = experiment(tmp_path, "[{name: x, ranker: {kind: embedding}, engine: {kind: 'laboratory:Watched'}}]")
    run(asked, mirror, tmp_path / "runs", limit=1)
    benchmark = TinyBenchmarks(mirror).open("mini")
    shown = preview(asked.systems[0], benchmark, benchmark.candidates("bm25", 5)[0], None)
    prompt, document = shown["inputs"]
    assert document["text"] == "shared text 1<|endoftext|>" == Watched.asked[0]
    assert prompt["text"].removeprefix("<user>\n") == Watched.asked[-1].removeprefix("<user>\n")
    assert document["what"] == "first of 5 documents"


def test_every_text_comes_with_its_hash_and_without_a_tokenizer_without_a_count() -> None:
    for item in _shown(load_systems()["E2Rank-0.6B"])["inputs"]:
        assert item["sha256"] == hashlib.sha256(item["text"].encode()).hexdigest()
        assert item["tokens"] is None


def test_the_prompts_hash_is_that_of_the_identity() -> None:
    system = load_systems()["RankGPT-lexical"]
    shown = _shown(system)
    assert shown["prompt files"].startswith("rankqwen3 ")
    assert shown["chat template"] == "none: this engine has none"
    assert [item["what"] for item in shown["inputs"]] == ["first prompt"]


@pytest.mark.parametrize("name", ["E2Rank-0.6B", "RankQwen3-0.6B"])
def test_with_the_real_tokenizer_the_text_is_its_chat_template_and_the_count_its_own(data_dir: Path, name: str) -> None:
    transformers = pytest.importorskip("transformers")
    folder = data_dir / "tokenizers" / "Qwen3-0.6B"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    plain, templated = (_shown(load_systems()[name], where)["inputs"][0] for where in (None, folder))
    content = plain["text"].removeprefix("<user>\n")
    turns = [{"role": "user", "content": content}]
    expected = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    assert templated["text"] == expected
    assert templated["tokens"] == len(tokenizer(expected)["input_ids"])
    assert templated["sha256"] == hashlib.sha256(expected.encode()).hexdigest()


ASKING = {name: s for name, s in load_systems().items() if s.engine is not None}
ONE_A_RANKER = {str(s.ranker.as_data()): name for name, s in ASKING.items()}
"""One system for each ranker with its options: others differ in their model alone."""


@pytest.mark.parametrize("name", ASKING)
def test_every_system_can_be_looked_at(name: str) -> None:
    # The query of the list is in what is shown first, whatever is asked.
    assert "why do we always see the same side of the moon" in _shown(ASKING[name])["inputs"][0]["text"]


@pytest.mark.parametrize("name", ONE_A_RANKER.values())
def test_every_ranker_can_be_looked_at_with_a_real_tokenizer(data_dir: Path, name: str) -> None:
    pytest.importorskip("transformers")
    (first, *_) = _shown(ASKING[name], data_dir / "tokenizers" / "Qwen3-0.6B")["inputs"]
    assert "why do we always see the same side of the moon" in first["text"]
    assert first["tokens"] > 10


def test_without_a_tokenizer_limits_in_tokens_are_said_not_to_be_applied(data_dir: Path) -> None:
    system = load_systems()["ReasonRank-7B"]
    assert _shown(system)["limits in tokens"] == "max_document_tokens not applied: no tokenizer at hand (--tokenizer DIR)"
    pytest.importorskip("transformers")
    assert _shown(system, data_dir / "tokenizers" / "Qwen3-0.6B")["limits in tokens"] == "max_document_tokens applied"
    assert _shown(load_systems()["RankQwen3-8B"])["limits in tokens"] == "none of the ranker's"


def test_a_system_without_a_prompt_says_so() -> None:
    with pytest.raises(UsageError, match="'BM25' reads no prompt: its ranker is 'identity'"):
        _shown(load_systems()["BM25"])


def test_a_folder_without_a_tokenizer_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        _shown(load_systems()["E2Rank-0.6B"], tmp_path / "none")
    pytest.importorskip("transformers")
    with pytest.raises(UsageError, match="holds no tokenizer"):
        _shown(load_systems()["E2Rank-0.6B"], tmp_path)


def test_a_list_without_texts_has_no_prompt() -> None:
    bare = CandidateList(Query("q", "text"), (Document("d", None),), (1.0,))
    with pytest.raises(MissingData, match="Only the order of this list of mini"):
        preview(load_systems()["E2Rank-0.6B"], Benchmarks(None).open("mini"), bare, None)
