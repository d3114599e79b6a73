"""Random weights measure speed: every file and table that they touch says so, and nothing is judged."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from cli.calling import in_process_of_its_own

pytest.importorskip("torch")
CAVEAT = "random weights: a measurement of speed, never of quality"
SHAPE = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
}


def test_a_table_over_random_weights_says_so_everywhere_and_judges_nothing(tmp_path: Path, data_dir: Path) -> None:
    shape = tmp_path / "shape"
    shutil.copytree(data_dir / "tokenizers" / "Qwen3-0.6B", shape)
    (shape / "config.json").write_bytes(orjson.dumps(SHAPE))
    engine = f"{{kind: random-weights, shape: {shape}, tokenizer: {shape}, dtype: float32, device: cpu}}"
    (tmp_path / "speed.yaml").write_text(
        f"title: Speed\ntable: 1\nbenchmarks: [dl19]\nsystems: [BM25, {{base: E2Rank-0.6B, engine: {engine}}}]\n", encoding="utf-8"
    )
    options: list[str | Path] = ["speed.yaml", "--data", data_dir]
    ran = in_process_of_its_own(["run", *options], tmp_path)
    assert ran.code == 0, ran.err
    (folder,) = (tmp_path / "runs" / "dl19" / "bm25").glob("E2Rank-0.6B-*")
    assert orjson.loads((folder / "manifest.json").read_bytes())["caveat"] == CAVEAT
    tags = {line.split()[-1] for line in (folder / "run.trec").read_text(encoding="utf-8").splitlines()}
    assert tags == {"E2Rank-0.6B~random-weights"}
    reported = in_process_of_its_own(["report", *options, "--json"], tmp_path)
    cells = {c["system"]: c for c in reported.data()["cells"] if c["benchmark"] == "dl19"}
    assert cells["BM25"]["verdict"] == "MATCH"
    random = cells["E2Rank-0.6B"]
    assert (random["queries"], random["caveat"], random["verdict"]) == (43, CAVEAT, None)
    assert CAVEAT in random["not_judged"]
    files = list((tmp_path / "reports" / "speed").iterdir())
    assert {file.suffix for file in files} == {".md", ".csv", ".tex", ".html"}
    for file in files:
        assert CAVEAT in file.read_text(encoding="utf-8"), file.name
