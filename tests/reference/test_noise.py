"""The noise floor is what repetitions of one command were measured to differ by, and it decides a verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from rerankbench.measures.quality import measure
from rerankbench.reference.noise import load
from rerankbench.trec import read_qrels, read_run


def test_the_floor_is_the_largest_difference_of_two_repetitions() -> None:
    # 69.38 - 67.37
    assert load()["api"].floor == pytest.approx(2.01)


def test_the_values_are_those_of_the_runs(data_dir: Path) -> None:
    qrels = read_qrels(data_dir / "topics_and_qrels" / "qrels.dl19-passage.txt")
    runs = [data_dir / "runs" / "rank_llm" / "reranked" / f"rankgpt-3.5.bm25.dl19.repeat{i}.txt" for i in range(1, 6)]
    means = [100 * measure(read_run(run), qrels, ["nDCG@10"]).means["nDCG@10"] for run in runs]
    assert [round(mean, 2) for mean in means] == list(load()["api"].values)
