"""`list`, `show`, `prompt show` and `doctor` tell what there is, and nothing else on standard output with --json."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cli.calling import Caller
from rerankbench.config import load_systems


@pytest.mark.parametrize("kind", ["systems", "benchmarks", "first-stages", "rankers", "engines", "prompts", "configs"])
def test_every_kind_is_listed_for_people_and_for_programs(call: Caller, kind: str) -> None:
    listed = call("list", kind, "--json").data()[kind]
    assert listed
    said = call("list", kind)
    assert said.code == 0
    for entry in listed:
        assert next(iter(entry.values())) in said.out


def test_systems_are_listed_by_default_and_completely(call: Caller) -> None:
    out = call("list").out
    assert all(name in out for name in load_systems())


def test_each_listed_system_tells_its_model_and_how_its_weights_are_had(call: Caller) -> None:
    listed = {s["system"]: s for s in call("list", "systems", "--json").data()["systems"]}
    assert listed["E2Rank-8B"] == {
        "system": "E2Rank-8B",
        "ranker": "embedding",
        "engine": "transformers",
        "model": "Alibaba-NLP/E2Rank-8B",
        "weights": "published",
        "how they are had": "hf download Alibaba-NLP/E2Rank-8B",
    }
    assert listed["BM25"]["model"] == listed["BM25"]["how they are had"] == ""
    assert listed["RankQwen3-4B"]["weights"] == "train"
    assert listed["RankGPT-4o"]["weights"] == "api"
    assert "trained on public data alone" in listed["GritLM-7B"]["how they are had"]


def test_a_system_that_must_be_trained_names_its_recipe(call: Caller) -> None:
    weights = call("show", "RankQwen3-8B", "--json").data()["weights"]
    assert (weights["status"], weights["recipe"]) == ("train", "rankqwen3")
    assert call("show", "oracle", "--json").data()["weights"] == {"status": "none"}


def test_a_system_is_shown_with_options_and_sources(call: Caller) -> None:
    found = call("show", "E2Rank-0.6B", "--json").data()
    assert found["engine"]["model"] == "Alibaba-NLP/E2Rank-0.6B"
    assert found["ranker"]["documents_in_prompt"] == 20
    assert found["sources"]
    assert "null" not in call("show", "BM25").out


def test_a_benchmark_is_shown_with_its_data(call: Caller) -> None:
    found = call("show", "mini", "--json").data()
    assert found["judgements"].startswith("331 of 27 queries, from package, SHA-256 ")
    assert found["bm25 lists"].startswith("28 queries")
    assert call("show", "dl19").code == 0  # without data it says so


def test_a_run_is_shown_by_folder_or_by_the_beginning_of_its_name(call: Caller, tmp_path: Path) -> None:
    call("run", "demo")
    (folder,) = (p.parent for p in (tmp_path / "runs").rglob("manifest.json") if p.parent.name.startswith("oracle"))
    by_path, by_name = call("show", folder, "--json").data(), call("show", "oracle-", "--json").data()
    assert by_path["measures"] == by_name["measures"]
    assert by_path["state"] == "complete"
    assert by_path["queries"] == 28
    call("run", "demo", "--limit", "2", "--systems", "BM25")
    ambiguous = call("show", "BM25-")
    assert ambiguous.code == 2
    assert "'BM25-' begins the names of 2 runs: runs/mini/bm25/BM25-" in ambiguous.err


def test_an_unfinished_run_says_how_far_it_is(call: Caller, tmp_path: Path) -> None:
    call("run", "demo", "--systems", "BM25")
    (manifest,) = (tmp_path / "runs").rglob("manifest.json")
    manifest.unlink()
    assert call("show", manifest.parent, "--json").data()["state"] == "unfinished, 28 queries ranked"
    manifest.write_text("{", encoding="utf-8")
    damaged = call("show", manifest.parent)
    assert damaged.code == 1
    assert "manifest.json: not a manifest" in damaged.err


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("show", "E2Rank-8"), 2, "There is no system, benchmark or run 'E2Rank-8'. Did you mean 'E2Rank-8B'"),
        (("prompt", "show", "BM25"), 2, "reads no prompt"),
        (("prompt", "show", "E2Rank-8"), 2, "There is no system 'E2Rank-8'. Did you mean"),
        (("prompt", "show", "E2Rank-8B", "--benchmark", "dl91"), 2, "There is no benchmark 'dl91'. Did you mean 'dl19'?"),
        (("prompt", "show", "E2Rank-8B", "--first-stage", "bm52"), 2, "There is no first stage 'bm52'. Did you mean 'bm25'?"),
        (("prompt", "show", "E2Rank-8B", "--query", "99"), 2, "mini has no candidate list for query '99'"),
        (("prompt", "show", "E2Rank-8B", "--tokenizer", "none"), 2, "--tokenizer none: there is no such folder."),
        (("prompt", "show", "E2Rank-8B", "--benchmark", "dl19"), 3, "No BM25 lists of dl19"),
        (("list", "sistems"), 2, "sistems"),
    ],
)
def test_unknown_names_are_refused(call: Caller, arguments: tuple[str, ...], code: int, expected: str) -> None:
    done = call(*arguments)
    assert done.code == code
    assert expected in done.err


def test_a_prompt_is_shown_as_it_is_sent(call: Caller) -> None:
    arguments = ("prompt", "show", "E2Rank-0.6B", "--query", "law/7")
    found = call(*arguments, "--json").data()
    assert found["query"] == "law/7: can I return a faulty product without a receipt"
    prompt, document = found["inputs"]
    assert prompt["text"].endswith("Search Query: can I return a faulty product without a receipt")
    assert prompt["text"].count("\n[") == 20
    assert document["text"].endswith("<|endoftext|>")
    said = call(*arguments).out
    assert prompt["text"] in said
    assert hashlib.sha256(prompt["text"].encode()).hexdigest()[:16] in said


def test_a_prompt_is_counted_by_the_real_tokenizer(call: Caller, data_dir: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = data_dir / "tokenizers" / "Qwen3-0.6B"
    arguments = ("prompt", "show", "RankQwen3-0.6B", "--benchmark", "dl19", "--query", "264014", "--data", data_dir)
    found = call(*arguments, "--tokenizer", folder, "--json").data()
    (first,) = found["inputs"]
    assert first["tokens"] == len(transformers.AutoTokenizer.from_pretrained(folder)(first["text"])["input_ids"])
    assert first["text"].endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_a_list_without_texts_is_missing_data(call: Caller, data_dir: Path) -> None:
    done = call("prompt", "show", "E2Rank-0.6B", "--benchmark", "trec-covid", "--data", data_dir)
    assert done.code == 3
    assert "Only the order of this list of trec-covid" in done.err


def test_the_doctor_says_what_each_configuration_needs(call: Caller) -> None:
    found = call("doctor", "--json").data()
    assert found["configurations"]["demo"] == {"cells": 4, "ready": 4, "missing": 0, "needs": []}
    table1 = found["configurations"]["table1"]
    assert table1["cells"] == table1["missing"] == sum(need["cells"] for need in table1["needs"]) == 70
    assert "offline" in found["hub"]
    said = call("doctor")
    assert said.code == 0
    assert "table1" in said.out
