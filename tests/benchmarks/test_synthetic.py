"""Drawn text: the same everywhere, as long as was asked for, and taken for nothing else."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest

from rerankbench.benchmarks import Benchmarks, OwnBenchmark
from rerankbench.benchmarks.own import SyntheticText
from rerankbench.benchmarks.synthetic import SyntheticCollection, draw
from rerankbench.config import load_experiment, validate
from rerankbench.errors import ConfigError, MissingData


def synthetic(**options: object) -> SyntheticCollection:
    asked = validate(OwnBenchmark, {"synthetic": options}, lambda key: f"here{key}")
    opened = Benchmarks(None, own={"synthetic-x": asked}).open("synthetic-x")
    assert isinstance(opened, SyntheticCollection)
    return opened


def test_it_holds_as_many_queries_and_documents_as_asked_for() -> None:
    made = synthetic(queries=3, documents=7, mean_tokens=40)
    lists = made.candidates("drawn", 5)
    assert [(c.query.id, len(c), c.has_text) for c in lists] == [("q1", 5, True), ("q2", 5, True), ("q3", 5, True)]
    assert [q.id for q in made.queries()] == ["q1", "q2", "q3"]
    assert made.qrels() == {q: {f"{q}-d1": 1} for q in ("q1", "q2", "q3")}
    assert (made.first_stages, made.deepest("drawn"), made.deepest("bm25")) == (("drawn",), 7, None)
    texts = [d.contents for c in made.candidates("drawn", 7) for d in c.documents]
    assert len(set(texts)) == 21


def test_lengths_are_log_normal_around_the_mean_and_cut_to_bounds() -> None:
    words = [len(d.contents.split()) for c in draw(SyntheticText(queries=40, mean_tokens=350)) for d in c.documents]
    # 350 tokens at 1.258 a word are 278.2 words; the standard error of 4,000 draws is 278 × 0.38 / √4000 = 1.7.
    assert statistics.mean(words) == pytest.approx(278.2, abs=6)
    assert statistics.stdev(map(math.log, words)) == pytest.approx(0.37, abs=0.015)
    wide = [len(d.contents.split()) for c in draw(SyntheticText(queries=10, mean_tokens=350, spread=3.0)) for d in c.documents]
    assert (min(wide), max(wide)) == (42, 1113)  # 0.15 and 4 times 278.2


def test_tokens_are_those_that_were_asked_for(data_dir: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(data_dir / "tokenizers" / "Qwen3-0.6B" / "tokenizer.json"))
    texts = [d.contents for c in draw(SyntheticText(queries=10)) for d in c.documents]
    tokens = [len(encoded.ids) for encoded in tokenizer.encode_batch(texts)]
    assert statistics.mean(tokens) == pytest.approx(350, rel=0.04)


def test_the_same_options_draw_the_same_and_others_draw_others() -> None:
    hashes = [synthetic(queries=2, documents=3, seed=seed).list_file("drawn", 3).sha256 for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]
    made = synthetic(queries=2, documents=3)
    assert made.fingerprint == made.qrels_file().sha256 == hashes[0]
    assert made.list_file("drawn", 3).source == "synthetic: 2 × 3 documents of about 350 tokens, drawn with seed 0"


def test_what_it_has_not_is_missing() -> None:
    made = synthetic(queries=1, documents=3)
    with pytest.raises(MissingData, match="has no bm25 lists") as missing:
        made.candidates("bm25", 3)
    assert missing.value.hint == "first_stages: [drawn]"
    with pytest.raises(MissingData, match="are 3 deep, not 4"):
        made.candidates("drawn", 4)
    with pytest.raises(MissingData, match="without a corpus"):
        made.corpus()
    with pytest.raises(MissingData, match="lie in no file"):
        made.list_path("drawn", 3)


TIMED = "layout: latency\nbatch_queries: 1\n"


@pytest.mark.parametrize(
    ("name", "own", "more", "expected"),
    [
        ("synthetic-x", "{synthetic: {}}", "", "'synthetic-x' is drawn text, for layout 'latency' alone: its quality means nothing"),
        ("trec-covid", "{synthetic: {}}", TIMED, "'trec-covid' is drawn text: let its name begin with 'synthetic'"),
    ],
)
def test_drawn_text_passes_for_nothing_else(tmp_path: Path, name: str, own: str, more: str, expected: str) -> None:
    text = f"title: t\nbenchmarks: [{name}]\nown_benchmarks: {{{name}: {own}}}\nfirst_stages: [drawn]\n{more}systems: [BM25]\n"
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=expected):
        load_experiment(str(tmp_path / "x.yaml"))


def test_drawn_text_has_no_files_beside_it() -> None:
    with pytest.raises(ConfigError, match="'synthetic' text is drawn: name no files beside it"):
        validate(OwnBenchmark, {"synthetic": {}, "folder": "x"}, lambda key: f"here{key}")
