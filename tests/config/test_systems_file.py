"""The shipped `systems.yaml`: no system of the paper lacks an entry, and every entry says enough to be run, or why it cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from rerankbench import plan
from rerankbench.config import System, load_systems, validate
from rerankbench.config.schema import Weights
from rerankbench.errors import ConfigError
from rerankbench.reference import paper

FIRST_STAGES = {
    "bge-base": "BGE-base-en-v1.5",
    "contriever": "Contriever",
    "splade-pp-ed": "SPLADE++ED",
    "qwen3-embedding-0.6b": "Qwen3-Embedding-0.6B",
}
"""Table 21 prints all its first stages in one row, "First-stage Retrieval"."""

SYSTEMS = load_systems()


def rows_of_the_paper() -> Iterator[tuple[str, str]]:
    """Each row of each table, and the entry that it needs; a row of several first stages needs one for each."""
    for table in paper.load().tables.values():
        for row in table.rows:
            if row.system == "First-stage Retrieval":
                yield from ((f"table {table.id}: {c.first_stage}", FIRST_STAGES[c.first_stage]) for c in table.columns)
            else:
                yield f"table {table.id}: {row.system} {row.variant}".strip(), row.system_of_ours


def test_no_system_of_the_papers_tables_lacks_an_entry() -> None:
    rows = dict(rows_of_the_paper())
    assert len(rows) > 100  # the reference data was there
    assert {row: entry for row, entry in rows.items() if entry not in SYSTEMS} == {}


def test_an_ablation_that_is_another_checkpoint_is_another_system() -> None:
    models = {name: s.engine.as_data()["model"] for name, s in SYSTEMS.items() if name.startswith("E2Rank-0.6B") and s.engine}
    assert len(models) == 6  # Table 6 has six rows
    assert len(set(models.values())) == 6
    # "For the last three lines, we use query-only embedding instead of listwise prompt" (section 4.5)
    query_only = {name for name in models if SYSTEMS[name].ranker.as_data()["mode"] == "query-only"}
    assert query_only == {"E2Rank-0.6B-only-stage1", "E2Rank-0.6B-no-ranknet", "E2Rank-0.6B-no-listwise"}


@pytest.mark.parametrize(
    "name", ["Qwen3-Reranker-0.6B", "Qwen3-Reranker-4B", "Qwen3-Reranker-8B", "bge-reranker-v2-m3", "jina-reranker-v3", "FirstMistral"]
)
def test_rerankers_that_the_paper_leaves_out_are_there_too(name: str) -> None:
    assert SYSTEMS[name].weights.status == "published"


def with_weights() -> list[System]:
    return [s for s in SYSTEMS.values() if s.engine is not None and s.engine.kind != "lexical"]


@pytest.mark.parametrize("system", with_weights(), ids=lambda s: s.name)
def test_a_system_with_weights_says_how_they_are_had_and_where_its_facts_were_read(system: System) -> None:
    assert system.weights.status != "none"
    assert system.sources
    assert system.engine
    engine = system.engine.as_data()
    assert re.fullmatch(r"main|[0-9a-f]{40}", engine.get("revision", "main"))
    if system.weights.status == "train":
        assert "/" not in engine["model"], "there is no checkpoint on the hub"
    if system.weights.status == "published":
        assert system.weights.how.startswith("hf download ")
        assert engine["model"] in system.weights.how or "merge" in system.weights.how


@pytest.mark.parametrize("system", [s for s in with_weights() if s.weights.status == "published"], ids=lambda s: s.name)
def test_a_published_checkpoint_comes_with_what_is_known_of_its_licence(system: System) -> None:
    assert re.search(r"Apache-2.0|MIT|CC.BY|Licence|licence|License|no licence", system.note), system.note


@pytest.mark.parametrize("system", with_weights(), ids=lambda s: s.name)
def test_every_systems_engine_can_do_what_its_ranker_needs_and_its_prompts_are_there(system: System) -> None:
    assert plan.engine_class(system) is not None
    for benchmark in ("dl19", "touche2020", "bright-pony", "mini"):
        plan.ranker_class(system).provenance(system.ranker.options, benchmark)


def test_a_system_without_an_engine_for_its_weights_says_why_and_a_plan_refuses_it() -> None:
    without = [s for s in SYSTEMS.values() if s.engine is None and s.weights.status != "none"]
    assert {s.name for s in without if s.ranker.kind != "identity"} == {
        "Instructor-xl", "Echo-Mistral-7B-v1", "LLM2Vec-Mistral-7B", "LLM2Vec-Meta-Llama-3-8B", "GritLM-7B", "E5-Mistral-7B-v1",
    }  # fmt: skip
    for system in without:
        if system.ranker.kind != "identity":
            assert system.note.startswith("No engine here")
            with pytest.raises(ConfigError, match="needs an 'engine'"):
                plan.engine_class(system)


def test_every_status_of_weights_is_used_and_explained() -> None:
    assert {s.weights.status for s in SYSTEMS.values()} == {"none", "published", "train", "api", "unavailable"}
    assert {s.weights.recipe for s in SYSTEMS.values() if s.weights.status == "train"} == {
        "rankqwen3", "qwen3-pointwise", "e2rank-no-stage1", "e2rank-no-infonce", "e2rank-no-ranknet", "e2rank-no-listwise",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"status": "published"}, "must say how they are had, or why not, in 'how'"),
        ({"status": "unavailable"}, "must say how they are had, or why not, in 'how'"),
        ({"status": "train", "how": "fine-tune it"}, "'recipe' names the training of weights of status 'train'"),
        ({"status": "published", "how": "hf download it", "recipe": "mine"}, "'recipe' names the training of weights of status 'train'"),
    ],
)
def test_weights_that_do_not_say_how_they_are_had_are_refused(weights: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(Weights, weights, lambda key: ".".join(map(str, key)))
