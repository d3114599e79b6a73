"""First stages made of other things: of a file, and of other first stages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from rerankbench import registry
from rerankbench.config import Options
from rerankbench.errors import DataError, MissingData
from rerankbench.first_stages.from_file import FileFirstStage, FileOptions
from rerankbench.first_stages.fusion_stage import FusionFirstStage, FusionOptions
from rerankbench.first_stages.listfile import write_lists
from rerankbench.protocols import Corpus
from rerankbench.records import CandidateList, Document, Query

QUERIES = [Query("2", "two"), Query("1", "one")]


class Corpus3:
    """Three documents."""

    name = "three"
    fingerprint = "0" * 64

    def __len__(self) -> int:
        return 3

    def documents(self) -> Iterator[Document]:
        return iter(Document(i, f"text of {i}") for i in "abc")

    def subset(self, ids: Collection[str]) -> dict[str, Document]:
        return {d.id: d for d in self.documents() if d.id in ids}


class FixedOptions(Options):
    order: str


class Fixed:
    """Gives every query the same documents."""

    Options = FixedOptions
    name: ClassVar[str] = "fixed"
    depths: ClassVar[list[int]] = []

    def __init__(self, order: str) -> None:
        self._order = order

    @classmethod
    def build(cls, options: object, workspace: Path) -> Fixed:
        return cls(cls.Options.model_validate(options).order)

    @classmethod
    def provenance(cls, options: object) -> Mapping[str, str]:
        return {"order": cls.Options.model_validate(options).order}

    def retrieve(self, corpus: Corpus, queries: Sequence[Query], depth: int) -> list[CandidateList]:
        self.depths.append(depth)
        ids = self._order[:depth]
        texts = corpus.subset(ids)
        return [CandidateList(q, tuple(texts[i] for i in ids), tuple(float(-n) for n in range(len(ids)))) for q in queries]


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that knows the two kinds of this file."""
    find = registry.find
    known: dict[str, type] = {"fixed": Fixed, "file": FileFirstStage}
    monkeypatch.setattr(registry, "find", lambda kind, name: known[name] if kind == "first_stage" else find(kind, name))


def _lists(path: Path, **orders: str) -> Path:
    write_lists(
        path,
        [
            CandidateList(
                Query(q[1:], f"own text of {q[1:]}"), tuple(Document(i, f"own {i}") for i in ids), tuple(map(float, range(len(ids), 0, -1)))
            )
            for q, ids in orders.items()
        ],
        source="test",
    )
    return path


def test_a_file_gives_its_lists_in_the_order_of_the_queries_and_no_deeper_than_asked(tmp_path: Path) -> None:
    path = _lists(tmp_path / "lists.jsonl", q1="abc", q2="cb", q3="a")
    stage = FileFirstStage.build(FileOptions(path=str(path)), tmp_path)
    two, one = stage.retrieve(Corpus3(), QUERIES, 2)
    assert ([d.id for d in two.documents], [d.id for d in one.documents]) == (["c", "b"], ["a", "b"])
    assert (one.query, one.documents[0].text, one.scores) == (QUERIES[1], "own a", (3.0, 2.0))
    assert FileFirstStage.provenance(FileOptions(path=str(path))) == {"sha256": sha256(path.read_bytes()).hexdigest()}


def test_a_run_file_gets_its_texts_from_the_corpus(tmp_path: Path) -> None:
    path = tmp_path / "x.trec"
    path.write_text("1 Q0 b 1 2 t\n1 Q0 a 2 1 t\n2 Q0 c 1 1 t\n9 Q0 elsewhere 1 1 t\n", encoding="utf-8")
    two, one = FileFirstStage(FileOptions(path=str(path))).retrieve(Corpus3(), QUERIES, 100)
    assert [d.text for d in (*two.documents, *one.documents)] == ["text of c", "text of b", "text of a"]


def test_a_query_without_a_list_stops_unless_it_is_meant_to_have_none(tmp_path: Path) -> None:
    path = _lists(tmp_path / "lists.jsonl", q1="abc")
    with pytest.raises(DataError, match="1 of 2 queries have no list: '2'"):
        FileFirstStage(FileOptions(path=str(path))).retrieve(Corpus3(), QUERIES, 2)
    two, one = FileFirstStage(FileOptions(path=str(path), missing="empty")).retrieve(Corpus3(), QUERIES, 2)
    assert (len(two), len(one)) == (0, 2)


def test_a_file_without_scores_needs_somebody_to_say_that_its_order_will_do(tmp_path: Path) -> None:
    path = tmp_path / "lists"
    path.write_text('{"question": "q", "id": "1", "ctxs": [{"docid": "a", "text": "x"}, {"docid": "b", "text": "y"}]}', encoding="utf-8")
    with pytest.raises(DataError, match="documents of 1 of 1 queries have no scores"):
        FileFirstStage(FileOptions(path=str(path))).retrieve(Corpus3(), QUERIES[1:], 2)
    (one,) = FileFirstStage(FileOptions(path=str(path), scores="ranks", form="lit5")).retrieve(Corpus3(), QUERIES[1:], 2)
    assert one.scores == (2.0, 1.0)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingData):
        FileFirstStage.provenance(FileOptions(path=str(tmp_path / "absent")))


@pytest.mark.usefixtures("kinds")
def test_the_parts_retrieve_as_deep_as_they_are_told_and_are_fused(tmp_path: Path) -> None:
    path = _lists(tmp_path / "lists.jsonl", q1="cb", q2="ba")
    stages = [{"kind": "fixed", "order": "abc"}, {"kind": "file", "path": str(path)}]
    options = FusionOptions.model_validate({"stages": tuple(stages), "part_depth": 3})
    Fixed.depths.clear()
    two, one = FusionFirstStage.build(options, tmp_path).retrieve(Corpus3(), QUERIES, 2)
    # Query 1: a 1/61, b 1/62 + 1/62, c 1/63 + 1/61, and c is the larger of these. Query 2: a 1/61 + 1/62, b 1/62 + 1/61, equal.
    assert [d.id for d in one.documents] == ["c", "b"]
    assert [d.id for d in two.documents] == ["a", "b"]
    assert Fixed.depths == [3]
    found = FusionFirstStage.provenance(options)
    assert found == {"fusion": "1", "stages.0.order": "abc", "stages.1.sha256": sha256(path.read_bytes()).hexdigest()}


@pytest.mark.usefixtures("kinds")
def test_options_are_completed_so_that_a_default_and_its_value_are_one_thing() -> None:
    stages = ({"kind": "fixed", "order": "a"}, {"kind": "file", "path": "x"})
    options = FusionOptions(stages=stages)
    assert options.parameters == {"k": 60}
    assert options.stages[1] == {"kind": "file", "path": "x", "form": "", "missing": "error", "scores": "own"}
    assert options == FusionOptions(stages=stages, parameters={"k": 60})


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"stages": ({"kind": "fixed", "order": "a"},)}, "two first stages or more, not of 1"),
        ({"method": "sums"}, "no fusion method 'sums'"),
        ({"method": "wsum"}, "parameter 'weights'"),
        ({"parameters": {"norm": "sum"}}, "'rrf' has no parameter 'norm'"),
        ({"stages": ({"kind": "fixed"}, {"kind": "fixed", "order": "b"})}, "stages.0.order"),
        ({"part_depth": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_cannot_be_fused_are_refused(changes: dict[str, Any], expected: str) -> None:
    stages = ({"kind": "fixed", "order": "a"}, {"kind": "fixed", "order": "b"})
    with pytest.raises(ValidationError, match=expected):
        FusionOptions.model_validate({"stages": stages, **changes})


@pytest.mark.usefixtures("kinds")
def test_what_ranx_fuses_carries_its_version() -> None:
    pytest.importorskip("ranx")
    stages = ({"kind": "fixed", "order": "a"}, {"kind": "fixed", "order": "b"})
    assert "ranx" in FusionFirstStage.provenance(FusionOptions(stages=stages, method="sum"))
