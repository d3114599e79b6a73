"""The table of benchmarks is complete, says each thing once, and agrees with the published numbers."""

from __future__ import annotations

import pytest

from rerankbench import prompts
from rerankbench.benchmarks import Benchmarks, load_catalog

TREC_DL = {"dl19", "dl20"}
BEIR = {"trec-covid", "nfcorpus", "touche2020", "dbpedia", "scifact", "signal1m", "trec-news", "robust04"}
BRIGHT = {
    *("bright-biology", "bright-earth-science", "bright-economics", "bright-psychology", "bright-robotics", "bright-stackoverflow"),
    *("bright-sustainable-living", "bright-leetcode", "bright-pony", "bright-aops", "bright-theoremqa-questions"),
    "bright-theoremqa-theorems",
}
ENTRIES = load_catalog().benchmarks


def test_every_benchmark_of_the_paper_is_there() -> None:
    assert set(ENTRIES) == {"mini"} | TREC_DL | BEIR | BRIGHT
    assert set(load_catalog().first_stages) == {"bm25", "splade-pp-ed", "contriever", "reasonir", "bge-base", "qwen3-embedding-0.6b"}


def test_grades_add_up_to_the_judgements() -> None:
    pinned = {name: entry.counts for name, entry in ENTRIES.items() if entry.counts.grades is not None}
    assert set(ENTRIES) - set(pinned) == {"robust04"}
    for name, counts in pinned.items():
        assert sum(counts.grades or ()) == counts.judgements, name


def test_bright_has_the_1384_queries_of_the_version_that_the_judgements_are_of() -> None:
    assert sum(ENTRIES[name].counts.queries or 0 for name in BRIGHT) == 1_384


def test_text_that_may_not_be_redistributed_comes_from_no_hub() -> None:
    restricted = {name for name, entry in ENTRIES.items() if entry.restricted}
    assert restricted == {"signal1m", "trec-news", "robust04"}
    assert not any(ENTRIES[name].text.hub for name in restricted)
    assert {name for name, entry in ENTRIES.items() if not entry.text.hub} == restricted | {"mini"}


def test_the_sets_that_exclude_documents_are_the_three_of_the_protocol() -> None:
    excluding = {name for name, entry in ENTRIES.items() if entry.exclusions}
    assert excluding == {"bright-aops", "bright-leetcode", "bright-theoremqa-questions"}


def test_bright_names_its_split_as_the_hub_does() -> None:
    assert {ENTRIES[name].text.split for name in BRIGHT} == {name.removeprefix("bright-").replace("-", "_") for name in BRIGHT}
    assert not any(entry.text.split for name, entry in ENTRIES.items() if name not in BRIGHT)


def test_every_benchmark_but_our_own_has_an_instruction_of_its_own() -> None:
    assert set(ENTRIES) - set(prompts.load("e2rank-query").file.benchmarks) == {"mini"}
    benchmarks = Benchmarks(None)
    assert benchmarks.open("bright-pony").instruction.startswith("Given a question about pony program language")
    assert benchmarks.open("mini").instruction == "Given a web search query, retrieve relevant passages that answer the query"


def test_prebuilt_indexes_are_named_as_pyserini_names_them() -> None:
    pyserini = pytest.importorskip("pyserini")
    from pathlib import Path

    table = (Path(pyserini.__file__).parent / "prebuilt_index_info.py").read_text(encoding="utf-8")
    for name, entry in ENTRIES.items():
        assert not entry.text.index or f'"{entry.text.index}"' in table, name


def test_counts_agree_with_those_of_ir_datasets() -> None:
    ir_datasets = pytest.importorskip("ir_datasets")
    import json
    from pathlib import Path

    metadata = json.loads((Path(ir_datasets.__file__).parent / "etc" / "metadata.json").read_text(encoding="utf-8"))
    # Their BRIGHT judgements hold the excluded documents too, with a grade of their own.
    for name in BRIGHT:
        counts, theirs = ENTRIES[name].counts, metadata[f"bright/{name.removeprefix('bright-')}"]
        assert (counts.queries, counts.documents) == (theirs["queries"]["count"], theirs["docs"]["count"]), name
        if not ENTRIES[name].exclusions:
            assert counts.judgements == theirs["qrels"]["count"], name
    leetcode = ENTRIES["bright-leetcode"].counts
    assert (leetcode.judgements or 0) + (leetcode.excluded or 0) == metadata["bright/leetcode"]["qrels"]["count"]
    for name, key in [("nfcorpus", "beir/nfcorpus/test"), ("dbpedia", "beir/dbpedia-entity/test")]:
        by_grade = metadata[key]["qrels"]["fields"]["relevance"]["counts_by_value"]
        assert {str(g): n for g, n in enumerate(ENTRIES[name].counts.grades or ()) if n} == by_grade, name
