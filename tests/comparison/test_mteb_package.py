"""Tasks and scores beside the mteb package, where one of the two versions that `mteb.yaml` is about is installed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from rerankbench.mteb_results import META, find_results
from rerankbench.reference import mteb as ours

theirs = pytest.importorskip("mteb")
VERSIONS = ours.load().versions
NAMES = sorted(ours.load().benchmarks)


@pytest.fixture(scope="module")
def is_later() -> bool:
    found = metadata.version("mteb")
    if found not in {VERSIONS.paper, VERSIONS.later}:
        pytest.skip(f"mteb {found} is neither {VERSIONS.paper} nor {VERSIONS.later}")
    return found == VERSIONS.later


@pytest.mark.parametrize("name", NAMES)
def test_the_tasks_are_those_of_the_package(name: str, is_later: bool) -> None:
    found = {task.metadata.name: task for task in theirs.get_benchmark(name).tasks}
    assert list(found) == list(ours.load().benchmarks[name])
    for task_name, task in ours.load().tasks_of(name).items():
        metadata_, later = found[task_name].metadata, task.later if is_later else ours.Later()
        assert (metadata_.type, found[task_name].eval_splits, found[task_name].hf_subsets) == (task.type, [task.split], [task.subset])
        expected = later.main_score or task.main_score, later.revision or task.revision
        assert (metadata_.main_score, metadata_.dataset["revision"]) == expected, task_name
        assert found[task_name].superseded_by == ((later.successor or task.successor) or None), task_name


def test_tasks_that_the_papers_version_lacks_are_those_of_the_later_one(is_later: bool) -> None:
    for name in (name for name, task in ours.load().tasks.items() if task.is_new):
        if not is_later:
            with pytest.raises(KeyError):
                theirs.get_task(name)
            continue
        found, task = theirs.get_task(name), ours.load().tasks[name]
        assert (found.metadata.type, found.metadata.main_score) == (task.type, task.main_score)
        assert [(split, subset) for split in found.eval_splits for subset in found.hf_subsets] == task.places
        assert found.metadata.revision == task.revision


def test_scores_are_those_that_the_package_reads(data_dir: Path) -> None:
    results = pytest.importorskip("mteb.results")
    folder = data_dir / "mteb_results"
    mine = find_results([folder], "Qwen/Qwen3-Embedding-0.6B")
    paths = [path for path in folder.glob("*.json") if path.name != META]
    assert len(paths) == 18
    for path in paths:
        read = results.TaskResult.from_disk(path)
        assert mine.score(path.stem, ours.load().tasks.get(path.stem)).value == pytest.approx(read.get_score(), abs=1e-12)
