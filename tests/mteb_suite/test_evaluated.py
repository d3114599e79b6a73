"""A revision changes with all that decides a score, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from rerankbench.config import MtebTable, load_config
from rerankbench.errors import ConfigError, MissingWeights, UsageError
from rerankbench.mteb_suite.evaluated import evaluated
from rerankbench.mteb_suite.identity import model_name

FILE = """
layout: mteb
title: T
benchmark: local
"""


def revisions(tmp_path: Path, systems: str, instructions: dict[str, str] | None = None) -> list[str]:
    path = tmp_path / "t.yaml"
    path.write_text(f"{FILE}systems:\n{systems}", encoding="utf-8")
    asked = load_config(str(path))
    assert isinstance(asked, MtebTable)
    return [evaluated(system, instructions or {}).revision for system in asked.systems]


def test_another_name_is_the_same_revision(tmp_path: Path) -> None:
    one, other = revisions(tmp_path, "  - {name: a, engine: {kind: lexical}}\n  - {name: b, engine: {kind: lexical}}\n")
    assert one == other
    assert len(one) == 40


@pytest.mark.parametrize(
    "other",
    [
        "engine: {kind: lexical, dims: 8192}",
        "engine: {kind: lexical}, end_token: '#'",
        "engine: {kind: lexical}, prompt: e2rank-mteb",
        "engine: {kind: lexical}, reranks: true, ranker: {kind: embedding}",
        "engine: {kind: lexical}, reranks: true, ranker: {kind: embedding, documents_in_prompt: 5}",
        "engine: {kind: lexical}, reranks: true, over: a, ranker: {kind: embedding}",
        "engine: {kind: lexical}, reranks: true, over: a, depth: 50, ranker: {kind: embedding}",
    ],
)
def test_another_engine_prompt_or_use_is_another_revision(tmp_path: Path, other: str) -> None:
    one, changed = revisions(tmp_path, f"  - {{name: a, engine: {{kind: lexical}}}}\n  - {{name: b, {other}}}\n")
    assert one != changed


def test_an_instruction_of_the_configuration_is_part_of_it_where_there_is_a_prompt(tmp_path: Path) -> None:
    systems = "  - {name: a, engine: {kind: lexical}}\n  - {name: b, engine: {kind: lexical}, prompt: e2rank-mteb}\n"
    plain, instructed = revisions(tmp_path, systems)
    same, changed = revisions(tmp_path, systems, {"MyTask": "Find it"})
    assert same == plain
    assert changed != instructed


def test_a_reranker_over_another_retriever_is_another_revision(tmp_path: Path) -> None:
    systems = """  - {name: narrow, engine: {kind: lexical}}
  - {name: wide, engine: {kind: lexical, dims: 8192}}
  - {name: one, engine: {kind: lexical}, reranks: true, over: narrow, ranker: {kind: embedding}}
  - {name: two, engine: {kind: lexical}, reranks: true, over: wide, ranker: {kind: embedding}}
"""
    *_, one, two = revisions(tmp_path, systems)
    assert one != two


def test_published_results_are_not_evaluated(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not evaluated here"):
        revisions(tmp_path, "  - {name: a, model: org/a}\n")


def test_weights_that_are_not_at_hand_are_missing_and_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights):
        revisions(tmp_path, f"  - {{name: a, engine: {{kind: transformers, model: {tmp_path / 'nothing'}}}}}\n")


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("{name: a, engine: {kind: lexical}, over: b}", "say 'reranks: true'"),
        (
            "{name: a, engine: {kind: lexical}, reranks: true, prompt: e2rank-mteb, ranker: {kind: embedding}}",
            "has a prompt and an end token of its own",
        ),
        (
            "{name: a, engine: {kind: lexical}, reranks: true, over: b, ranker: {kind: embedding}}",
            "'b' is no system of this file that embeds texts here",
        ),
        ("{name: a, engine: wrds}", "there is no engine 'wrds'"),
        ("{name: a, prompt: e2rank-mteb}", "has no 'engine'"),
        ("{name: a, engine: {kind: lexical}, depth: 0, reranks: true, ranker: {kind: embedding}}", "depth"),
    ],
)
def test_rows_that_contradict_themselves_are_refused(tmp_path: Path, system: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        revisions(tmp_path, f"  - {system}\n")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("Alibaba-NLP/E2Rank-0.6B", "Alibaba-NLP/E2Rank-0.6B"),
        ("/models/mine", "rerankbench/My-system-2"),
        ("mine", "rerankbench/My-system-2"),
        ("", "rerankbench/My-system-2"),
    ],
)
def test_the_name_is_the_hubs_where_the_model_stands_there(model: str, expected: str) -> None:
    assert model_name("My system:2", model) == expected
