"""Tasks of mteb's own registry from a folder of data sets as the hub's client leaves it, without a network.

Each runs in a process of its own, because the client reads its environment when it is imported. Offline, the package `datasets` reads
nothing but its own cache, ``DATASETS/ORG___NAME/CONFIGURATION/VERSION/COMMIT/`` with Arrow files and ``dataset_info.json``; files that the
hub's client alone has fetched (``hub/datasets--ORG--NAME/``) are not looked at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mteb")

BIOSSES = {"sentence1": ["a red ant", "a blue ant", "rain"], "sentence2": ["a red ant", "an ant", "sun"], "score": [4.0, 3.0, 0.0]}
CORPUS = {"_id": ["d1", "d2"], "title": ["Ants", ""], "text": ["They are small.", "It rains."]}
QUERIES = {"_id": ["q1", "q2"], "text": ["how big are ants", "not judged"]}
QRELS = {"query-id": ["q1"], "corpus-id": ["d1"], "score": [1]}
BANKING = {"text": ["my card is lost", "send money"], "label": [0, 1], "label_text": ["lost_card", "transfer"]}

TELL = """
import json, sys
import mteb
task = mteb.get_task(sys.argv[1])
try:
    task.load_data()
except Exception as error:
    print(json.dumps({"error": [kind.__name__ for kind in type(error).__mro__], "message": str(error)}))
    sys.exit()
data = task.dataset
if "default" in data:
    found = data["default"]["test"]
    plain = {"corpus": found["corpus"].to_dict(), "queries": found["queries"].to_dict(),
             "relevant_docs": found["relevant_docs"], "top_ranked": found["top_ranked"]}
else:
    plain = {split: of.to_dict() for split, of in data.items()}
print(json.dumps({"data": plain, "revision": task.metadata.dataset["revision"]}))
"""


def _revision(name: str) -> str:
    import mteb

    return str(mteb.get_task(name).metadata.dataset["revision"])


def _keep(home: Path, repo: str, configuration: str, splits: Mapping[str, Mapping[str, Any]], commit: str) -> None:
    """Write one configuration of a data set into the cache, in the form of `datasets` 5."""
    from datasets import Dataset, DatasetInfo
    from datasets.arrow_writer import ArrowWriter

    organisation, name = repo.split("/")
    folder = home / "datasets" / f"{organisation}___{name}" / configuration / "0.0.0" / commit
    folder.mkdir(parents=True)
    features, counted = None, {}
    for split, columns in splits.items():
        rows = Dataset.from_dict(dict(columns))
        features = rows.features
        with ArrowWriter(path=str(folder / f"{name}-{split}.arrow"), features=features) as writer:
            writer.write_table(rows.data.table)
            examples, size = writer.finalize()
        counted[split] = {"name": split, "num_bytes": size, "num_examples": examples, "dataset_name": name}
    known = {"builder_name": "parquet", "dataset_name": name, "config_name": configuration, "version": "0.0.0"}
    DatasetInfo(features=features, splits=counted, **known).write_to_directory(str(folder))


def _load(home: Path, task: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(home),
        "HF_DATASETS_CACHE": str(home / "datasets"),
        "HF_HUB_CACHE": str(home / "hub"),
    }
    told = subprocess.run([sys.executable, "-c", TELL, task], capture_output=True, text=True, env=environment, check=False, cwd=home)
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


def test_an_sts_and_a_classification_task_load_without_a_network(tmp_path: Path) -> None:
    _keep(tmp_path, "mteb/biosses-sts", "default", {"test": BIOSSES}, _revision("BIOSSES"))
    _keep(tmp_path, "mteb/banking77", "default", {"train": BANKING, "test": BANKING}, _revision("Banking77Classification"))
    assert _load(tmp_path, "BIOSSES") == {"data": {"test": BIOSSES}, "revision": "d3fb88f8f02e40887cd149695127462bbcf29b4a"}
    assert _load(tmp_path, "Banking77Classification")["data"] == {"train": BANKING, "test": BANKING}


def test_a_retrieval_task_loads_corpus_queries_and_judgements(tmp_path: Path) -> None:
    revision = _revision("SciFact")
    _keep(tmp_path, "mteb/scifact", "corpus", {"corpus": CORPUS}, revision)
    _keep(tmp_path, "mteb/scifact", "queries", {"queries": QUERIES}, revision)
    _keep(tmp_path, "mteb/scifact", "default", {"test": QRELS}, revision)
    assert _load(tmp_path, "SciFact")["data"] == {
        "corpus": {"id": ["d1", "d2"], "title": ["Ants", ""], "text": ["They are small.", "It rains."]},
        "queries": {"id": ["q1"], "text": ["how big are ants"]},
        "relevant_docs": {"q1": {"d1": 1}},
        "top_ranked": None,
    }


def test_a_reranking_task_loses_its_lists_where_only_the_cache_is_read(tmp_path: Path) -> None:
    """`datasets` names no configuration but ``default`` of what is cached, so that mteb finds no ``top_ranked`` and says nothing.

    What would follow is retrieval from all documents under the name of a reranking task: a caller has to refuse it.
    """
    name = "AskUbuntuDupQuestions"
    repo, revision = "mteb/AskUbuntuDupQuestions", _revision(name)
    kept: dict[str, dict[str, Mapping[str, Any]]] = {
        "corpus": {"test": CORPUS},
        "queries": {"test": QUERIES},
        "default": {"test": QRELS},
        "top_ranked": {"test": {"query-id": ["q1"], "corpus-ids": [["d2", "d1"]]}},
    }
    for configuration, splits in kept.items():
        _keep(tmp_path, _cached_name(repo), configuration, splits, revision)
    assert _load(tmp_path, name)["data"]["top_ranked"] is None


def _cached_name(repo: str) -> str:
    from datasets.naming import camelcase_to_snakecase

    organisation, name = repo.split("/")
    return f"{organisation}/{camelcase_to_snakecase(name)}"


def test_another_revision_in_the_cache_is_taken_without_a_word(tmp_path: Path) -> None:
    """The pinned revision is not asked for offline: a caller who wants it has to look for its folder."""
    _keep(tmp_path, "mteb/biosses-sts", "default", {"test": BIOSSES}, "0" * 40)
    assert _load(tmp_path, "BIOSSES")["data"] == {"test": BIOSSES}


@pytest.mark.parametrize("name", ["BIOSSES", "SciFact"])
def test_without_the_data_a_task_raises_a_connection_error_that_names_it(tmp_path: Path, name: str) -> None:
    found = _load(tmp_path, name)
    assert found["error"][0] == "ConnectionError"
    assert (
        found["message"]
        == f"Couldn't reach '{'mteb/biosses-sts' if name == 'BIOSSES' else 'mteb/scifact'}' on the Hub (OfflineModeIsEnabled)"
    )


def test_half_of_a_retrieval_data_set_is_refused_with_its_name(tmp_path: Path) -> None:
    _keep(tmp_path, "mteb/scifact", "default", {"test": QRELS}, _revision("SciFact"))
    found = _load(tmp_path, "SciFact")
    assert found["error"][0] == "ValueError"
    assert "Couldn't find cache for mteb/scifact for config 'corpus'" in found["message"]
