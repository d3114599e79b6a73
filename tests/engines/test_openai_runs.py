"""Rankers and whole runs over a served model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import orjson
import pytest

import laboratory
from engines.openai_server import Asked, OpenAIServer, Says, chat, engine, error, in_turn, serving, without_keys
from rankers.fakes import candidates, parts
from rerankbench.experiment import Result
from rerankbench.rankers.listwise import ListwiseOptions, ListwiseRanker
from rerankbench.records import DefectKind

KEY = "sk-test-0123456789-of-nobody"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    without_keys(monkeypatch)


def permutation(asked: Asked) -> Says:
    """Ranks the passages by the number that each text ends with, the highest first."""
    shown = re.findall(r"^\[(\d+)\] .*?(\d+)$", asked.prompt, re.MULTILINE)
    return chat(" > ".join(f"[{n}]" for n, _ in sorted(shown, key=lambda s: -int(s[1]))))


def test_a_listwise_ranker_ranks_over_it_with_faults_on_the_way() -> None:
    lock, faults = Lock(), iter([error(429, "slow"), Says(hang_up=True), Says(b"<html>"), error(500, "x")] * 4)

    def answer(asked: Asked) -> Says:
        with lock:
            fault = next(faults, None) if asked.number % 3 == 0 else None
        return fault or permutation(asked)

    lists = [candidates(str(q), [f"query {q} passage {(i * 7 + q) % 30}" for i in range(30)]) for q in range(4)]
    with serving(answer) as server, engine(server) as made:
        ranked = ListwiseRanker.build(ListwiseOptions(), parts(made)).rank(lists)
        for q, result in enumerate(ranked):
            texts = {d.id: d.contents for d in lists[q].documents}
            # Numbers 29 … 20 reach the front in one pass of windows of 20 by 10.
            assert [texts[d] for d in result.ranking.doc_ids[:10]] == [f"query {q} passage {n}" for n in range(29, 19, -1)]
            assert [c.phase for c in result.calls] == ["window 11-30", "window 1-20"]
            assert result.defects == ()
        assert len(server.asked) == 8 + made.spent["requests"] - 8 > 8


def systems(server: OpenAIServer, **options: Any) -> str:
    part = {"kind": "rerankbench.engines.openai_http:OpenAIEngine", "base_url": server.url, "model": "tiny", **options}
    return str(orjson.dumps([{"name": "served", "ranker": {"kind": "listwise"}, "engine": part}]).decode())


def files(folder: Path) -> Sequence[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_run_keeps_no_key_and_goes_on_after_the_spending_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_KEY", KEY)
    mirror, runs = laboratory.write_mirror(tmp_path / "mirror"), tmp_path / "runs"
    with serving(lambda asked: chat("[2] > [1] > [3] > [4] > [5]")) as server:

        def result(limit: int) -> Result:
            asked = laboratory.experiment(tmp_path, systems(server, key_env="LOCAL_KEY", max_requests=limit), "depth: 5\nbatch_queries: 1")
            (found,) = laboratory.run(asked, mirror, runs)
            return found

        stopped = result(3)
        assert stopped.manifest is None
        assert "max_requests, which is 3" in str(stopped.problem)
        assert [len(path.read_text().splitlines()) for path in runs.rglob("rankings.jsonl")] == [3]
        again = result(50)  # the same run: patience and limits can change no answer
        assert again.problem is None
        assert again.manifest is not None
        assert again.manifest["queries_before_last_start"] == 3
        assert "served model" in again.manifest["caveat"]
        assert len(server.asked) == 4
        written = b"".join(path.read_bytes() for path in files(runs))
        assert b"LOCAL_KEY" in written
        assert KEY.encode() not in written


def test_a_cell_whose_key_is_missing_is_planned_as_missing(tmp_path: Path) -> None:
    mirror = laboratory.write_mirror(tmp_path / "mirror")
    with serving(in_turn()) as server:
        asked = laboratory.experiment(tmp_path, systems(server, key_env="NOT_SET"))
        (planned,) = laboratory.plan(asked, mirror, tmp_path / "runs")
        assert planned.state == "missing"
        assert "export NOT_SET=" in str(planned.problem)
        assert server.asked == []


def test_a_refused_list_keeps_its_order_and_says_so() -> None:
    with serving(in_turn(error(400, "filtered", "content_filter"))) as server, engine(server) as made:
        (ranked,) = ListwiseRanker.build(ListwiseOptions(), parts(made)).rank([candidates("1", ["a", "b", "c"])])
        assert ranked.ranking.doc_ids == ("d0", "d1", "d2")
        assert ranked.defects[0].kind in {DefectKind.REFUSED, DefectKind.UNPARSEABLE}
