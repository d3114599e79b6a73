"""``rerankbench mteb run`` on tasks of mteb's own registry, from a cache in the hub's form and without a network.

The data sets are tiny and made up; their scores are counted by hand from words that texts share, for the engine counts words.
"""

from __future__ import annotations

import json
import subprocess
import sys
from math import log2
from pathlib import Path
from typing import Any

import pytest

from mteb_suite.hub_cache import keep, offline, revision_of
from rerankbench.mteb_suite.cached_data import cached_configurations

pytest.importorskip("mteb")

CONFIG = """
layout: mteb
title: T
benchmark: "MTEB(eng, v1)"
tasks: [BIOSSES, SciFact, AskUbuntuDupQuestions, FEVER]
systems:
  - {name: words, engine: {kind: lexical}}
  - name: ranked
    engine: {kind: lexical}
    reranks: true
    over: words
    ranker: {kind: embedding, mode: query-only, profile: plain-query, end_token: ""}
"""
BIOSSES = {"sentence1": ["a red ant", "a blue ant", "rain"], "sentence2": ["a red ant", "an ant", "sun"], "score": [4.0, 3.0, 0.0]}
CORPUS = {"_id": ["d1", "d2", "d3"], "title": ["", "", ""], "text": ["big red ants", "small ants of today", "big ants"]}
QUERIES = {"_id": ["q1", "q2"], "text": ["big ants", "not judged"]}
QRELS = {"query-id": ["q1"], "corpus-id": ["d1"], "score": [1]}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    keep(tmp_path, "mteb/biosses-sts", "default", {"test": BIOSSES}, revision_of("BIOSSES"))
    scifact = revision_of("SciFact")
    keep(tmp_path, "mteb/scifact", "corpus", {"corpus": CORPUS}, scifact)
    keep(tmp_path, "mteb/scifact", "queries", {"queries": QUERIES}, scifact)
    keep(tmp_path, "mteb/scifact", "default", {"test": QRELS}, scifact)
    ask = revision_of("AskUbuntuDupQuestions")
    keep(tmp_path, "mteb/AskUbuntuDupQuestions", "corpus", {"test": CORPUS}, ask)
    keep(tmp_path, "mteb/AskUbuntuDupQuestions", "queries", {"test": QUERIES}, ask)
    keep(tmp_path, "mteb/AskUbuntuDupQuestions", "default", {"test": QRELS}, ask)
    (tmp_path / "c.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def run(home: Path, *more: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """Exit code, and what became of each system's tasks."""
    command = [sys.executable, "-m", "rerankbench", "mteb", "run", "c.yaml", "--json", *more]
    source = str(Path(__file__).parents[2] / "eval")
    ended = subprocess.run(command, capture_output=True, text=True, env={**offline(home), "PYTHONPATH": source}, check=False, cwd=home)
    assert ended.stdout, ended.stderr
    return ended.returncode, {(told["system"], told["task"]): told for told in json.loads(ended.stdout)["tasks"]}


def test_tasks_of_the_hub_are_evaluated_from_its_cache_and_a_second_command_evaluates_what_came_since(home: Path) -> None:
    code, told = run(home)
    assert code == 4
    # Similarities fall as the grades do: equal, one word of two and three, none. Spearman's rank correlation is 1.
    assert told["words", "BIOSSES"]["score"] == 1
    # "big ants" is d3, word for word; the relevant d1 comes second.
    assert told["words", "SciFact"]["score"] == told["ranked", "SciFact"]["score"] == pytest.approx(1 / log2(3), abs=1e-5)
    fever = told["words", "FEVER"]
    assert fever["status"] == "missing"
    assert fever["reason"] == "The data of FEVER is not at hand: the environment says offline, so the hub was not asked for mteb/fever."
    assert "datasets cache" in fever["hint"]
    # Without its candidates it would be a search, in which d3 is first and the precision of d1 is 1/2.
    assert "its data has none (default test)" in told["words", "AskUbuntuDupQuestions"]["reason"]

    candidates = {"test": {"query-id": ["q1"], "corpus-ids": [["d2", "d1"]]}}
    keep(home, "mteb/AskUbuntuDupQuestions", "top_ranked", candidates, revision_of("AskUbuntuDupQuestions"))
    code, told = run(home, "--tasks", "BIOSSES,SciFact,AskUbuntuDupQuestions", "--systems", "words")
    assert code == 0
    assert {task: (one["status"], one["score"]) for (_, task), one in told.items()} == {
        "BIOSSES": ("reused", 1),
        "SciFact": ("reused", pytest.approx(1 / log2(3), abs=1e-5)),
        "AskUbuntuDupQuestions": ("done", 1),  # d3 is no candidate, and d1 comes first
    }


def test_another_revision_of_the_data_is_missing_and_no_score(home: Path) -> None:
    keep(home, "mteb/sickr-sts", "default", {"test": BIOSSES}, "0" * 40)
    code, told = run(home, "--tasks", "SICK-R", "--systems", "words")
    assert (code, told["words", "SICK-R"]["status"]) == (4, "missing")
    assert f"(SICK-R: {revision_of('SICK-R')})" in told["words", "SICK-R"]["reason"]


def test_configurations_of_the_cache_are_named_at_the_revision_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config
    from mteb.abstasks import retrieval_dataset_loaders as loaders

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    for configuration, revision in (("default", "a"), ("instruction", "a"), ("top_ranked", "b")):
        (tmp_path / "org___some_data" / configuration / "0.0.0" / revision).mkdir(parents=True)
    monkeypatch.setattr(loaders, "get_dataset_config_names", lambda repository, revision=None: ["default"])
    before = vars(loaders)["get_dataset_config_names"]
    with cached_configurations():
        asked = vars(loaders)["get_dataset_config_names"]
        assert asked("org/SomeData", "a") == ["default", "instruction"]
        assert asked("org/SomeData", "b") == ["default", "top_ranked"]
        assert asked("org/SomeData") == asked("org/other", "a") == ["default"]
    assert vars(loaders)["get_dataset_config_names"] is before
