"""Texts of the local suite: what their files give, that damage is refused, that no order tells a label, and that revisions are hashes."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from rerankbench.errors import DataError, MissingData
from rerankbench.mteb_suite.local import NAMES, written
from rerankbench.mteb_suite.local.content import Columns, Searched
from rerankbench.mteb_suite.local.entries import entries
from rerankbench.mteb_suite.local.searched import mini, mini_lists, scifact
from rerankbench.records import Document, Query

READERS: dict[str, Callable[[Path], Columns]] = {
    "messages.yaml": written.intents,
    "paraphrases.yaml": written.paraphrase_pairs,
    "similarity.yaml": written.similar_pairs,
    "summaries.yaml": written.summaries,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in READERS:
        shutil.copy(written.HERE / name, tmp_path)
    return tmp_path


def test_the_suite_has_one_task_of_each_type_and_two_of_retrieval() -> None:
    assert tuple(e.name for e in entries()) == NAMES
    counted = Counter(e.type for e in entries())
    others = dict.fromkeys(("Reranking", "Clustering", "PairClassification", "Classification", "STS", "Summarization"), 1)
    assert counted == {"Retrieval": 2, **others}


def test_messages_are_every_thing_with_every_intent() -> None:
    # 8 topics of 4 things a split, 6 intents
    splits = written.intents().splits
    assert {s: len(of["text"]) for s, of in splits.items()} == {"train": 8 * 4 * 6, "test": 8 * 4 * 6}
    assert Counter(splits["test"]["label"]) == dict.fromkeys(range(6), 32)
    # The rule by hand: topic 0, thing 1, intent 0 takes frame (0 + 1) % 4 = 1; topic 1, thing 3 takes frame 0.
    assert splits["train"]["text"][6] == "What would you say the cast-iron pan is worth these days?"
    assert splits["train"]["text"][(4 + 3) * 6] == "Does anybody here know how the greenhouse really works?"
    clustered = written.topics().splits["test"]
    assert Counter(clustered["labels"]) == dict.fromkeys(range(8), 48)
    assert clustered["sentences"] == [*splits["train"]["text"], *splits["test"]["text"]]
    assert len(set(clustered["sentences"])) == 384


def test_training_shows_neither_things_nor_frames_of_the_test() -> None:
    file = written._read(written.Messages, written.HERE / "messages.yaml")
    for of in (file.topics, file.intents):
        train, test = ({text for split in of.values() for text in getattr(split, name)} for name in ("train", "test"))
        assert not train & test
        assert len(train) == len(test) == sum(len(split.train) for split in of.values())


def test_pairs_and_grades_are_as_many_as_the_rule_says() -> None:
    pairs = written.paraphrase_pairs().splits["test"]
    assert Counter(pairs["labels"]) == {1: 40 * 2, 0: 40 * 3}
    assert list(zip(*pairs.values(), strict=True))[:3] == [
        ("The dog chased the cat across the yard.", "Across the yard the dog chased the cat.", 1),
        ("The dog chased the cat across the yard.", "Across the yard, the cat was being pursued by the dog.", 1),
        ("The dog chased the cat across the yard.", "The cat chased the dog across the yard.", 0),
    ]
    similar = written.similar_pairs().splits["test"]
    assert Counter(similar["score"]) == dict.fromkeys(map(float, range(6)), 24)
    assert similar["sentence2"][5] == similar["sentence1"][7 * 6]


def test_a_summarys_place_does_not_tell_its_grade() -> None:
    table = written.summaries().splits["test"]
    orders = {tuple(grades) for grades in table["relevance"]}
    assert all(sorted(order) == [1, 2, 3, 4, 5] for order in orders)
    assert len(orders) >= 8
    first = [grades[0] for grades in table["relevance"]]
    assert len(set(first)) >= 3


def test_candidates_are_in_bm25s_order_and_not_in_that_of_their_labels() -> None:
    lists, qrels = mini_lists().lists, mini_lists().qrels
    assert lists is not None
    assert lists.keys() == qrels.keys()
    ordered = 0
    for query, ids in lists.items():
        grades = [qrels[query].get(doc, 0) for doc in ids]
        positive = [grade > 0 for grade in grades]
        ordered += [value for value, _ in groupby(positive)] in ([True, False], [True], [False])
    assert len(lists) == 27
    assert ordered <= 1


def test_retrieval_shows_whole_documents_and_judged_queries() -> None:
    found = mini()
    assert (len(found.documents), len(found.queries), found.lists) == (338, 27, None)
    assert "bridge" not in {q.id for q in found.queries}
    assert {d for ids in (mini_lists().lists or {}).values() for d in ids} == {d.id for d in mini_lists().documents}


def test_scifact_is_read_from_a_mirror_alone(data_dir: Path, tmp_path: Path) -> None:
    found = scifact(data_dir)
    assert (len(found.documents), len(found.queries), sum(map(len, found.qrels.values()))) == (5183, 300, 339)
    with pytest.raises(MissingData, match="none is named") as no_mirror:
        scifact(None)
    assert "--data DIR" in no_mirror.value.hint
    with pytest.raises(MissingData, match="judgements of scifact"):
        scifact(tmp_path)


DAMAGE = [
    ("messages.yaml", r"    test:\n(      - .*\n)+", "", r"intents\.question.*test"),
    ("messages.yaml", "does anybody here know how {thing} really", "does anybody know", "a frame holds {thing} once"),
    ("messages.yaml", "    train: .the sourdough.*\n", "", r"topics\.cooking.*train"),
    ("paraphrases.yaml", "  same: .*\n", "", r"pairs\.0.*same"),
    ("paraphrases.yaml", "  other: .*", "  other: ''", r"pairs\.0\.other"),
    ("similarity.yaml", '  "3": .*\n', "", r"sentences\.0"),
    ("similarity.yaml", '  "3": ', '  "6": ', r"sentences\.0"),
    ("summaries.yaml", '    "2": .*\n', "", r"texts\.0.*each grade 5, 4, 3, 2, 1"),
    ("summaries.yaml", '    "2": ', '    "3": ', "a second time"),
    ("summaries.yaml", "texts:", "texts: [", "not valid YAML"),
    ("similarity.yaml", r"[\s\S]+", "", "expected a mapping"),
]


@pytest.mark.parametrize(("name", "what", "by", "complaint"), DAMAGE)
def test_a_damaged_file_is_refused_with_its_name_and_key(folder: Path, name: str, what: str, by: str, complaint: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    damaged = re.sub(what, lambda _: by, text, count=1)
    assert damaged != text
    (folder / name).write_text(damaged, encoding="utf-8")
    with pytest.raises(DataError, match=rf"{re.escape(name)}.*{complaint}"):
        READERS[name](folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "similarity.yaml").unlink()
    with pytest.raises(DataError, match=r"similarity\.yaml: cannot be read"):
        written.similar_pairs(folder)


@pytest.mark.parametrize("name", READERS)
def test_a_revision_changes_with_a_word_and_not_with_a_comment(folder: Path, name: str) -> None:
    read, path = READERS[name], folder / name
    before = read(folder).revision
    path.write_text("# Another comment\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert read(folder).revision == before
    path.write_text(path.read_text(encoding="utf-8").replace("the ", "this ", 1).replace(" the ", " that "), encoding="utf-8")
    assert read(folder).revision != before


def test_a_revision_is_forty_digits_of_sha_256() -> None:
    text = b'{"test":{"labels":[0],"sentences":["a"]}}\n'
    columns = Columns({"test": {"labels": [0], "sentences": ["a"]}})
    assert columns.revision == hashlib.sha256(text).hexdigest()[:40]


SEARCHED = Searched([Document("d", "text", "title"), Document("e", "")], [Query("q", "words")], {"q": {"d": 1}}, {"q": ["e", "d"]})


@pytest.mark.parametrize(
    "changed",
    [
        replace(SEARCHED, documents=[Document("d", "texts", "title"), Document("e", "")]),
        replace(SEARCHED, documents=[Document("d", "title text"), Document("e", "")]),
        replace(SEARCHED, documents=SEARCHED.documents[:1]),
        replace(SEARCHED, queries=[Query("q", "word")]),
        replace(SEARCHED, qrels={"q": {"d": 2}}),
        replace(SEARCHED, lists={"q": ["d", "e"]}),
        replace(SEARCHED, lists=None),
    ],
)
def test_a_revision_changes_with_documents_queries_judgements_and_lists(changed: Searched) -> None:
    assert changed.revision != SEARCHED.revision
