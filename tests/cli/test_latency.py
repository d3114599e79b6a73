"""Latency from end to end: ranked one query at a time, and shown with what it was measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.calling import Caller
from rerankbench.config import load_experiment


def test_the_demo_of_latency_shows_the_seconds_of_its_spans(call: Caller, tmp_path: Path) -> None:
    assert call("run", "latency-demo").code == 0
    reported = call("report", "latency-demo", "--json")
    assert reported.code == 0
    table = reported.data()
    cells = {(cell["system"], cell["benchmark"]): cell for cell in table["cells"]}
    for system in ("E2Rank-lexical", "RankGPT-lexical"):
        lines = (tmp_path / "runs" / cells[system, "overall-s"]["run"] / "spans.jsonl").read_bytes().splitlines()
        recorded = [orjson.loads(line) for line in lines]
        spans = [span for span in recorded if not span["warmup"]]
        assert [span["query_ids"] for span in recorded if span["name"] == "rank"][:3] == [
            span["query_ids"] for span in spans if span["name"] == "rank"
        ][:3]
        assert sum(span["warmup"] for span in recorded if span["name"] == "rank") == 3
        assert {len(span["query_ids"]) for span in spans} == {1}
        seconds = {name: [span["seconds"] for span in spans if span["name"] == name] for name in ("rank", "encode documents")}
        assert len(seconds["rank"]) == cells[system, "overall-s"]["queries"] == 28
        assert cells[system, "overall-s"]["value"] == pytest.approx(sum(seconds["rank"]) / 28)
        assert cells[system, "encode-documents-s"]["value"] == pytest.approx(sum(seconds["encode documents"]) / 28)
    for column in ("encode-documents-s", "others-s", "overall-s", "overall-p50-s", "overall-p90-s"):
        assert all("lexical is not a language model" in cells[system, column]["caveat"] for system, _ in cells)
    assert any(line.startswith("RankGPT-lexical takes ") for line in table["context"])


def test_runs_of_the_plain_demo_are_not_taken_for_it(call: Caller) -> None:
    assert call("run", "demo").code == 0
    reported = call("report", "latency-demo")
    assert reported.code == 4
    assert "rerankbench run latency-demo, with the options of this report" in reported.out


def test_a_cache_of_answers_is_refused_before_anything_runs(call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = call("run", "latency-demo", "--cache", tmp_path / "cache")
    assert done.code == 2
    assert "An answer that is kept takes no time" in done.err
    monkeypatch.setenv("RERANKBENCH_ANSWERS", str(tmp_path / "cache"))
    assert call("run", "latency-demo").code == 2
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("config", "cells"), [("table12", 9), ("table13", 3)])
def test_the_papers_tables_say_what_they_lack(call: Caller, config: str, cells: int) -> None:
    done = call("report", config, "--json")
    assert done.code == 4
    table = done.data()
    assert [cell["verdict"] for cell in table["cells"]] == ["MISSING"] * cells
    assert all(cell["reason"] and cell["hint"] and cell["paper"] for cell in table["cells"])
    assert {column["unit"] for column in table["columns"]} == {"seconds"}


SYNTHETIC = """
title: "Speed of word counts"
layout: latency
timings: [cold, documents-warm, throughput]
benchmarks: [synthetic-tiny]
own_benchmarks: {synthetic-tiny: {synthetic: {queries: 4, documents: 6, mean_tokens: 30}}}
first_stages: [drawn]
depth: 6
batch_queries: 1
systems: [E2Rank-lexical, RankGPT-lexical]
"""


def test_one_command_times_and_writes_under_the_devices_name(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "speed.yaml").write_text(SYNTHETIC, encoding="utf-8")
    done = call("latency", tmp_path / "speed.yaml", "--json")
    assert done.code == 0, done.err
    made = done.data()
    assert list(made["tables"]) == ["table", "phases", "costs", "limits", "throughput"]
    for table in made["tables"].values():
        assert table["caveats"] == [
            "synthetic-tiny is synthetic: words drawn at random, with the lengths of abstracts. Its seconds are of no real text."
        ]
    (folder,) = (tmp_path / "reports" / "latency").iterdir()
    assert folder.name.endswith("-cores")
    assert sorted(path.name for path in (folder / "speed").glob("*.md")) == [
        "costs.md",
        "limits.md",
        "phases.md",
        "table.md",
        "throughput.md",
    ]
    assert "is synthetic: words drawn at random" in (folder / "speed" / "throughput.md").read_text(encoding="utf-8")
    again = call("latency", tmp_path / "speed.yaml")
    assert again.code == 0
    assert "documents at hand" in again.out


def test_limits_can_be_left_out(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "speed.yaml").write_text(SYNTHETIC, encoding="utf-8")
    done = call("latency", tmp_path / "speed.yaml", "--no-limits", "--json")
    assert done.code == 0, done.err
    assert list(done.data()["tables"]) == ["table", "phases", "costs", "throughput"]


def test_the_page_of_the_device_lies_beside_its_reports(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "speed.yaml").write_text(SYNTHETIC, encoding="utf-8")
    done = call("latency", tmp_path / "speed.yaml", "--no-limits", "--json")
    (folder,) = (tmp_path / "reports" / "latency").iterdir()
    page = [path for path in done.data()["files"] if Path(path).stem == "device"]
    assert page == [f"reports/latency/{folder.name}/device.md", f"reports/latency/{folder.name}/device.json"]
    assert "No peaks were measured" in (folder / "device.md").read_text(encoding="utf-8")
    (folder / "peaks-float32.json").write_bytes(b"{")
    assert call("latency", tmp_path / "speed.yaml").code == 0
    assert "peaks-float32.json: holds no calibration" in (folder / "device.md").read_text(encoding="utf-8")


def test_runs_of_another_device_leave_its_page_alone(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "speed.yaml").write_text(SYNTHETIC, encoding="utf-8")
    assert call("run", tmp_path / "speed.yaml").code == 0
    for manifest in (tmp_path / "runs").rglob("*/manifest.json"):
        facts = orjson.loads(manifest.read_bytes())
        facts["environment"]["hardware"]["gpus"] = ["NVIDIA H100"]
        manifest.write_bytes(orjson.dumps(facts))
    done = call("latency", tmp_path / "speed.yaml")
    assert done.code == 0, done.err
    assert "The runs are of another device" in done.out
    assert [path.name for path in (tmp_path / "reports" / "latency" / "nvidia-h100").iterdir()] == ["speed"]


SMALL = """
title: "Speed of a tiny shape"
layout: latency
timings: [cold, documents-warm]
benchmarks: [synthetic-tiny]
own_benchmarks: {{synthetic-tiny: {{synthetic: {{queries: 2, documents: 4, mean_tokens: 20}}}}}}
first_stages: [drawn]
depth: 4
batch_queries: 1
engines:
  tiny: {{kind: random-weights, shape: qwen3-tiny, tokenizer: {tokenizer}, dtype: float32, device: cpu, max_tokens: 4096,
    add_special_tokens: false}}
systems: [{{name: E2Rank-tiny, base: E2Rank-0.6B, engine: tiny}}]
"""


def test_limits_of_a_model_from_end_to_end(call: Caller, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setattr("rerankbench.limits.calibration._SIDES", {"cpu": (64,)})
    monkeypatch.setattr("rerankbench.limits.calibration._TALL", {"cpu": ()})
    monkeypatch.setattr("rerankbench.limits.calibration._NUMBERS", {"cpu": 4096})
    config = tmp_path / "small.yaml"
    config.write_text(SMALL.format(tokenizer=data_dir / "tokenizers" / "Qwen3-0.6B"), encoding="utf-8")
    assert call("run", config).code == 0
    told = call("report", config, "--json").data()["more"]["limits"]
    assert any("was not measured" in cell["reason"] for cell in told["cells"])
    done = call("latency", config, "--json")
    assert done.code == 0, done.err
    (file,) = (tmp_path / "reports" / "latency").glob("*/peaks-float32.json")
    assert "product 64 x 64 x 64" in file.with_name("device.md").read_text(encoding="utf-8")
    # Rates of 1e9: what was measured there is not measured again, so that these count from now on.
    kept = orjson.loads(file.read_bytes())
    for pieces in ("products", "transfers"):
        kept[pieces] = [{**kept[pieces][0], "best": 1e9}]
    file.write_bytes(orjson.dumps(kept))
    shown = [call("latency", config, "--json").data()["tables"]["limits"], call("report", config, "--json").data()["more"]["limits"]]
    (run,) = [folder for folder in (tmp_path / "runs").rglob("E2Rank-tiny-*") if _timed_as(folder) == "cold"]
    prompts = [call["prompt_tokens"] for call in _calls(run) if call["phase"] == "encode prompt"]
    # As in limits/test_of_run.py: the layers' matrices have 393,216 weights, a pair of tokens takes 1,024 operations.
    limit_s = sum(2 * 393_216 * n + 1_024 * n * (n + 1) // 2 for n in prompts) / 1e9 / len(prompts)
    for table in shown:
        cells = {(cell["variant"], cell["benchmark"]): cell["value"] for cell in table["cells"]}
        assert cells["encode prompt", "limit-s"] == pytest.approx(limit_s)
        assert cells["documents at hand, encode prompt", "limit-s"] == pytest.approx(limit_s)
        assert cells["documents at hand, encode documents", "limit-s"] == 0
        assert all("random weights" in cell["caveat"] for cell in table["cells"])


def _timed_as(run: Path) -> str:
    return str(orjson.loads((run / "manifest.json").read_bytes())["identity"]["timed"]["as"])


def _calls(run: Path) -> list[dict[str, Any]]:
    return [call for line in (run / "rankings.jsonl").read_bytes().splitlines() for call in orjson.loads(line)["calls"]]


def test_what_times_nothing_is_no_latency(call: Caller) -> None:
    done = call("latency", "demo")
    assert done.code == 2
    assert "demo times no queries" in done.err


def test_runs_of_several_devices_are_refused(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "speed.yaml").write_text(SYNTHETIC, encoding="utf-8")
    assert call("latency", tmp_path / "speed.yaml").code == 0
    manifest = next((tmp_path / "runs").rglob("RankGPT*/manifest.json"))
    facts = orjson.loads(manifest.read_bytes())
    facts["environment"]["hardware"]["gpus"] = ["NVIDIA H100"]
    manifest.write_bytes(orjson.dumps(facts))
    done = call("latency", tmp_path / "speed.yaml")
    assert done.code == 2
    assert "These runs were timed on several devices: " in done.err
    assert "NVIDIA H100" in done.err


@pytest.mark.parametrize("config", ["latency", "latency-cpu", "latency-shapes"])
def test_the_shipped_settings_time_all_three_states(config: str) -> None:
    asked = load_experiment(config)
    assert asked.timings == ("cold", "documents-warm", "throughput")
    assert asked.file.warmup > 0
    assert asked.file.batch_queries == 1


def test_the_default_is_the_papers_setting() -> None:
    asked = load_experiment("latency")
    assert asked.first_stages_of(asked.systems[0], "trec-covid") == ("bm25",)
    assert asked.first_stages_of(asked.systems[0], "synthetic-350") == ("drawn",)
    assert asked.depths == (100,)
    rankers = {system.name: system.ranker.as_data() for system in asked.systems}
    assert list(rankers) == [f"{name}-{size}" for size in ("0.6B", "4B", "8B") for name in ("E2Rank", "RankQwen3")]
    assert all(r["documents_in_prompt"] == 20 for name, r in rankers.items() if name.startswith("E2Rank"))
    assert all((r["window"], r["step"]) == (20, 10) for name, r in rankers.items() if name.startswith("RankQwen3"))


@pytest.mark.parametrize("config", ["latency-cpu", "latency-shapes", "latency-prefix"])
def test_where_weights_are_drawn_listwise_answers_are_forced_and_one_setting_names_the_tokenizer(config: str) -> None:
    anchor = "tiny" if config == "latency-cpu" else "any"
    asked = load_experiment(config, [f"engines.{anchor}.tokenizer=/a/folder"])
    engines = [system.engine.as_data() for system in asked.systems if system.engine]
    assert len(engines) == len(asked.systems)
    assert {engine["kind"] for engine in engines} <= {"random-weights", "random-weights-vllm"}
    assert {engine["tokenizer"] for engine in engines} == {"/a/folder"}
    listwise = [system.ranker.as_data() for system in asked.systems if system.ranker.kind == "listwise"]
    assert {(r["decoding"], r["window"], r["step"]) for r in listwise} == {("forced", 20, 10)}


def test_prefixes_are_shared_and_not_shared_in_pairs_that_differ_in_nothing_else() -> None:
    systems = {system.name: system for system in load_experiment("latency-prefix").systems}
    plain = {name: system for name, system in systems.items() if not name.endswith("-sharing")}
    assert list(plain) == ["RankQwen3-0.6B", "RankQwen3-4B", "RankQwen3-8B"]
    for name, system in plain.items():
        alone, sharing = system.as_data(), systems[f"{name}-sharing"].as_data()
        assert (alone["engine"].pop("prefix_caching"), sharing["engine"].pop("prefix_caching")) == (False, True)
        assert alone == sharing
