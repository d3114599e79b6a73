"""Result files in mteb's form, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rerankbench.reference import mteb

MODEL, REVISION = "org/model-1", "abc123"


def write_result(
    folder: Path,
    task: str,
    score: float | None,
    *,
    split: str = "test",
    subset: str = "default",
    measure: str = "ndcg_at_10",
    revision: str = "r1",
    version: str = "1.38.32",
    **more: Any,
) -> Path:
    """One task's file in a model's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    entry = {measure: score, "nauc_diff1": float("nan"), "main_score": score, "hf_subset": subset, "languages": ["eng-Latn"]}
    data = {
        "dataset_revision": revision,
        "task_name": task,
        "mteb_version": version,
        "scores": {split: [entry]},
        "evaluation_time": 36.0,
        "kg_co2_emissions": None,
        **more,
    }
    path = folder / f"{task}.json"
    path.write_text(json.dumps(data), encoding="utf-8")  # with NaN, as mteb writes it
    return path


def write_benchmark(folder: Path, tasks: Iterable[str], score: float, version: str = "1.38.32") -> None:
    """Files of all these tasks, each as the paper's mteb defines it, with one score."""
    for name in tasks:
        task = mteb.load().tasks[name]
        write_result(
            folder, name, score, split=task.split, subset=task.subset, measure=task.main_score, revision=task.revision, version=version
        )


def write_meta(folder: Path, name: str = MODEL, revision: str = REVISION, **more: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_meta.json").write_text(json.dumps({"name": name, "revision": revision, **more}), encoding="utf-8")


def write_ledger(folder: Path, model: str, revision: str, tasks: Mapping[str, Mapping[str, Any]], **facts: Any) -> Path:
    """What an evaluation here says of a system's tasks, in the folder of results."""
    path = folder / "ledgers" / model.replace("/", "__") / f"{revision}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"model": model, "revision": revision, "tasks": tasks, **facts}), encoding="utf-8")
    return path
