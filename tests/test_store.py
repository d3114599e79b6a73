"""A run folder loses nothing, takes nothing half-written for whole, and belongs to one run and one process."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from rerankbench.errors import StoreError
from rerankbench.records import Call, Defect, DefectKind, Measurement, Ranked, Ranking, Span
from rerankbench.store import RunFolder, journal_length, read_manifest, read_measurements, read_spans, without_measured_times

CONFIG = {"ranker": {"kind": "identity"}, "limit": None}


def _ranked(query_id: str, **kwargs: object) -> Ranked:
    ranking = Ranking(query_id, ("a b", "é"), (2.5, 1.0))
    return Ranked(ranking, (Call(3, 4, 0.5, 2, "[1]\n> [2]", "window 1-2"),), (Defect(DefectKind.MISSING, "2", 1),))


def _filled(path: Path) -> None:
    with RunFolder(path, CONFIG) as folder:
        folder.append([_ranked("1"), _ranked("2")], [Span("rank", 0.0, 2.0, ("1", "2"))], 2.0)
        folder.append([_ranked("3")], [Span("rank", 2.0, 1.0, ("3",)), Span("rank", 3.0, 9.0, ("3",), warmup=True)], 1.0)


def test_what_was_appended_comes_back_as_it_was(tmp_path: Path) -> None:
    _filled(tmp_path)
    with RunFolder(tmp_path, CONFIG) as folder:
        assert folder.journal() == [_ranked("1"), _ranked("2"), _ranked("3")]
        assert folder.seconds() == 3.0  # 2 + 1; the warm-up's 9 do not count


def test_a_first_token_s_time_is_kept_where_it_is_known_and_else_the_line_is_as_before_there_was_one(tmp_path: Path) -> None:
    told = Ranked(Ranking("1", ("a",)), (Call(3, 4, 0.5, first_token_s=0.25), Call(3, 4, 0.5)))
    with RunFolder(tmp_path, CONFIG) as folder:
        folder.append([told], [], 1.0)
        assert folder.journal() == [told]
    first, second = orjson.loads((tmp_path / "rankings.jsonl").read_bytes())["calls"]
    assert first == {**second, "first_token_s": 0.25}
    assert list(second) == ["prompt_tokens", "completion_tokens", "seconds", "batch_size", "text", "phase", "finish"]
    assert without_measured_times(first) == without_measured_times(second)


def test_spans_come_back_as_they_were_measured_with_warm_ups_marked(tmp_path: Path) -> None:
    _filled(tmp_path)
    expected = [Span("rank", 0.0, 2.0, ("1", "2")), Span("rank", 2.0, 1.0, ("3",)), Span("rank", 3.0, 9.0, ("3",), warmup=True)]
    assert read_spans(tmp_path) == expected
    assert read_spans(tmp_path / "nowhere") == []


def test_a_score_that_json_has_not_comes_back_as_it_was(tmp_path: Path) -> None:
    ranked = Ranked(Ranking("1", ("a", "b", "c"), (float("inf"), 1.5, float("-inf"))))
    with RunFolder(tmp_path, CONFIG) as folder:
        folder.append([ranked], [], 0.0)
        assert folder.journal() == [ranked]


def test_a_torn_last_line_is_cut_and_its_spans_with_it(tmp_path: Path) -> None:
    _filled(tmp_path)
    journal = tmp_path / "rankings.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    assert journal_length(tmp_path) == 2
    with RunFolder(tmp_path, CONFIG) as folder:
        assert [r.ranking.query_id for r in folder.journal()] == ["1", "2"]
        assert folder.seconds() == 2.0
    assert journal.read_bytes().endswith(b"\n")


def test_every_cut_of_the_journal_is_survived(tmp_path: Path) -> None:
    _filled(tmp_path)
    whole = (tmp_path / "rankings.jsonl").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "rankings.jsonl").write_bytes(whole[:length])
        with RunFolder(tmp_path, CONFIG) as folder:
            assert len(folder.journal()) == whole[:length].count(b"\n")


def test_a_damaged_line_in_the_middle_is_refused_with_its_number(tmp_path: Path) -> None:
    _filled(tmp_path)
    journal = tmp_path / "rankings.jsonl"
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join([lines[0], lines[1][:-5], *lines[2:]]))
    with RunFolder(tmp_path, CONFIG) as folder, pytest.raises(StoreError, match=r"rankings\.jsonl:2: not a line of a journal"):
        folder.journal()


def test_a_folder_with_another_configuration_is_refused(tmp_path: Path) -> None:
    _filled(tmp_path)
    with pytest.raises(StoreError, match="another configuration"), RunFolder(tmp_path, {**CONFIG, "limit": 10}):
        pass


def test_two_processes_cannot_work_on_one_run(tmp_path: Path) -> None:
    with RunFolder(tmp_path, CONFIG), pytest.raises(StoreError, match="another process"), RunFolder(tmp_path, CONFIG):
        pass
    with RunFolder(tmp_path, CONFIG):
        pass


def _sealed(path: Path) -> None:
    if not (path / "rankings.jsonl").is_file():
        _filled(path)
    with RunFolder(path, CONFIG) as folder:
        folder.finish((r for r in folder.journal()), tag="system")
        folder.seal([Measurement("1", "nDCG@10", 0.5)], {"id": "x"})


def test_a_run_is_complete_only_with_its_manifest(tmp_path: Path) -> None:
    _filled(tmp_path)
    assert read_manifest(tmp_path) is None
    _sealed(tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert manifest["id"] == "x"
    assert read_measurements(tmp_path) == [Measurement("1", "nDCG@10", 0.5)]


@pytest.mark.parametrize("name", ["run.trec", "rankings.jsonl", "measurements.jsonl"])
def test_a_file_that_was_changed_or_lost_after_completion_is_noticed(tmp_path: Path, name: str) -> None:
    _sealed(tmp_path)
    file = tmp_path / name
    file.write_bytes(file.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(StoreError, match="not as it was"):
        read_manifest(tmp_path)
    file.unlink()
    with pytest.raises(StoreError, match="not as it was"):
        read_manifest(tmp_path)


def test_written_scores_fall_strictly_whatever_the_native_ones_are(tmp_path: Path) -> None:
    with RunFolder(tmp_path, CONFIG) as folder:
        run = folder.finish([Ranked(Ranking("q", ("a", "b", "c"), (1.0, 1.0, 5.0)))], tag="t")
    scores = [float(line.split()[4]) for line in run.read_text(encoding="utf-8").splitlines()]
    assert scores == sorted(set(scores), reverse=True)
    assert len(scores) == 3


def test_measured_times_can_be_taken_out_of_a_record() -> None:
    record = {"query_id": "1", "seconds": 3.0, "batch_size": 2, "calls": [{"text": "x", "seconds": 1.0, "batch_size": 2}]}
    assert without_measured_times(record) == {"query_id": "1", "calls": [{"text": "x"}]}
    assert without_measured_times(orjson.loads(b'{"start_s": 1, "name": "rank"}')) == {"name": "rank"}
