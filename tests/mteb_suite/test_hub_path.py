"""Tasks of mteb's own registry from a folder of data sets as the hub's client leaves it, without a network.

Each runs in a process of its own, because the client reads its environment when it is imported. Offline, the package `datasets` reads
nothing but its own cache, ``DATASETS/ORG___NAME/CONFIGURATION/VERSION/COMMIT/`` with Arrow files and ``dataset_info.json``; files that the
hub's client alone has fetched (``hub/datasets--ORG--NAME/``) are not looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mteb_suite.hub_cache import keep, offline, revision_of

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


def _load(home: Path, task: str) -> dict[str, Any]:
    told = subprocess.run([sys.executable, "-c", TELL, task], capture_output=True, text=True, env=offline(home), check=False, cwd=home)
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


def test_an_sts_and_a_classification_task_load_without_a_network(tmp_path: Path) -> None:
    keep(tmp_path, "mteb/biosses-sts", "default", {"test": BIOSSES}, revision_of("BIOSSES"))
    keep(tmp_path, "mteb/banking77", "default", {"train": BANKING, "test": BANKING}, revision_of("Banking77Classification"))
    assert _load(tmp_path, "BIOSSES") == {"data": {"test": BIOSSES}, "revision": "d3fb88f8f02e40887cd149695127462bbcf29b4a"}
    assert _load(tmp_path, "Banking77Classification")["data"] == {"train": BANKING, "test": BANKING}


def test_a_retrieval_task_loads_corpus_queries_and_judgements(tmp_path: Path) -> None:
    revision = revision_of("SciFact")
    keep(tmp_path, "mteb/scifact", "corpus", {"corpus": CORPUS}, revision)
    keep(tmp_path, "mteb/scifact", "queries", {"queries": QUERIES}, revision)
    keep(tmp_path, "mteb/scifact", "default", {"test": QRELS}, revision)
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
    repo, revision = "mteb/AskUbuntuDupQuestions", revision_of(name)
    kept: dict[str, dict[str, Mapping[str, Any]]] = {
        "corpus": {"test": CORPUS},
        "queries": {"test": QUERIES},
        "default": {"test": QRELS},
        "top_ranked": {"test": {"query-id": ["q1"], "corpus-ids": [["d2", "d1"]]}},
    }
    for configuration, splits in kept.items():
        keep(tmp_path, repo, configuration, splits, revision)
    assert _load(tmp_path, name)["data"]["top_ranked"] is None


def test_another_revision_in_the_cache_is_taken_without_a_word(tmp_path: Path) -> None:
    """The pinned revision is not asked for offline: a caller who wants it has to look for its folder."""
    keep(tmp_path, "mteb/biosses-sts", "default", {"test": BIOSSES}, "0" * 40)
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
    keep(tmp_path, "mteb/scifact", "default", {"test": QRELS}, revision_of("SciFact"))
    found = _load(tmp_path, "SciFact")
    assert found["error"][0] == "ValueError"
    assert "Couldn't find cache for mteb/scifact for config 'corpus'" in found["message"]
