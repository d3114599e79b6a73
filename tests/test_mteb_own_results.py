"""A row that is evaluated here: its own results and no others, and why a task has none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mteb_folder import write_ledger, write_meta, write_result
from rerankbench.config import MtebSystem, MtebTable, load_config
from rerankbench.errors import ConfigError, MissingWeights, StoreError
from rerankbench.mteb_suite import own_results as finding
from rerankbench.mteb_suite.evaluated import evaluated
from rerankbench.mteb_suite.own_results import own_results
from rerankbench.mteb_suite.task_list import note_tasks, noted_tasks, task_list_path
from rerankbench.mteb_tables import Places, mteb_tables
from rerankbench.report import Cell, Status, Table

V2 = 'benchmark: "MTEB(eng, v2)"\ntasks: [ArguAna, STS12, SCIDOCS]\n'
LEXICAL = "systems: [{name: lex, model: org/lex, engine: {kind: lexical}}]\n"


def _asked(folder: Path, text: str = V2 + LEXICAL) -> MtebTable:
    (folder / "own.yaml").write_text(f"layout: mteb\ntitle: t\n{text}", encoding="utf-8")
    found = load_config(str(folder / "own.yaml"))
    assert isinstance(found, MtebTable)
    return found


def _folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "mteb_results"


def _results(tmp_path: Path, revision: str, model: str = "org__lex", **scores: float) -> None:
    folder = _folder(tmp_path) / "results" / model / revision
    write_meta(folder, model.replace("__", "/"), revision, use_instructions=False)
    for task, score in scores.items():
        write_result(folder, task, score, version="2.26.24")


def _revision(system: MtebSystem) -> str:
    return evaluated(system, {}).revision


def _table(asked: MtebTable, tmp_path: Path) -> Table:
    return mteb_tables(asked, Places(tmp_path / "runs", None))[0]


def _cells(asked: MtebTable, tmp_path: Path) -> dict[str, Cell]:
    return {column.name: cell for _, column, cell in _table(asked, tmp_path).cells()}


def test_a_row_shows_the_results_of_its_own_revision_beside_any_other(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    own = _revision(asked.systems[0])
    _results(tmp_path, own, ArguAna=0.5)
    _results(tmp_path, "published", ArguAna=0.9, STS12=0.9)
    write_ledger(_folder(tmp_path), "org/lex", own, {"ArguAna": {"status": "done"}}, engine=None, caveat="no language model")
    cells = _cells(asked, tmp_path)
    assert (cells["ArguAna"].value, cells["ArguAna"].caveat) == (0.5, "no language model")
    assert cells["STS12"].status is Status.MISSING  # the published one is of another revision
    assert cells["STS12"].reason == "org/lex has no result of this task."
    assert cells["STS12"].hint == "rerankbench mteb run own.yaml --systems lex"
    (said,) = _table(asked, tmp_path).notes
    assert said.endswith("; results that others made (publish) are at hand too, and not shown")


def test_another_prompts_results_are_never_shown(tmp_path: Path) -> None:
    bare = _asked(tmp_path).systems[0]
    own = _revision(bare)
    _results(tmp_path, own, ArguAna=0.5)
    write_ledger(_folder(tmp_path), "org/lex", own, {"ArguAna": {"status": "done"}})
    text = "systems: [{name: lex, model: org/lex, prompt: e2rank-mteb, engine: {kind: lexical}}]\n"
    prompted = _asked(tmp_path, V2 + text)
    assert _revision(prompted.systems[0]) != own
    cell = _cells(prompted, tmp_path)["ArguAna"]
    assert (cell.status, cell.value, cell.reason) == (Status.MISSING, None, "lex has not been evaluated here.")
    # Nor for a row of published results: nobody has published these.
    published = _cells(_asked(tmp_path, V2 + "systems: [{name: lex, model: org/lex}]\n"), tmp_path)["ArguAna"]
    assert published.status is Status.MISSING
    named = _cells(_asked(tmp_path, V2 + f"systems: [{{name: lex, model: org/lex, revision: '{own}'}}]\n"), tmp_path)["ArguAna"]
    assert named.value == 0.5  # but where a configuration names it


def test_published_results_stand_in_while_nothing_was_evaluated(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    _results(tmp_path, "published", ArguAna=0.9)
    _results(tmp_path, "of-another-prompt", ArguAna=0.1)
    write_ledger(_folder(tmp_path), "org/lex", "of-another-prompt", {"ArguAna": {"status": "done"}})
    assert _cells(asked, tmp_path)["ArguAna"].value == 0.9


def test_a_failed_task_says_why_and_what_to_do(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    own = _revision(asked.systems[0])
    _results(tmp_path, own, ArguAna=0.5)
    tasks = {
        "ArguAna": {"status": "done"},
        "STS12": {"status": "failed", "reason": "OutOfMemoryError: 8 GiB", "hint": "Lower the engine's batch_tokens."},
        "SCIDOCS": {"status": "missing", "reason": "SCIDOCS: not public", "hint": ""},
    }
    write_ledger(_folder(tmp_path), "org/lex", own, tasks)
    cells = _cells(asked, tmp_path)
    assert (cells["STS12"].status, cells["STS12"].reason) == (Status.FAILED, "OutOfMemoryError: 8 GiB")
    assert cells["STS12"].hint == "Lower the engine's batch_tokens; then: rerankbench mteb run own.yaml --systems lex"
    assert (cells["SCIDOCS"].status, cells["SCIDOCS"].hint) == (Status.MISSING, "rerankbench mteb run own.yaml --systems lex")


def test_a_failing_task_leaves_no_hole_in_any_average(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    own = _revision(asked.systems[0])
    _results(tmp_path, own, ArguAna=0.5, STS12=0.7)
    write_ledger(_folder(tmp_path), "org/lex", own, {"SCIDOCS": {"status": "failed", "reason": "ValueError: x", "hint": ""}})
    means = mteb_tables(asked, Places(tmp_path / "runs", None))[1]["means"]
    assert isinstance(means, Table)
    cells = {column.name: cell for _, column, cell in means.cells()}
    assert {name: (cell.value, cell.members) for name, cell in cells.items()} == {
        "Retrieval": (None, (1, 2)),
        "STS": (0.7, (1, 1)),
        "by-dataset": (None, (2, 3)),
        "by-type": (None, (1, 2)),
    }
    assert "missing: SCIDOCS (ValueError: x)" in cells["by-dataset"].reason
    assert means.exit_code() == 4


def test_a_task_that_failed_before_any_was_finished_is_told_too(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    tasks = {"ArguAna": {"status": "failed", "reason": "ValueError: x", "hint": ""}}
    write_ledger(_folder(tmp_path), "org/lex", _revision(asked.systems[0]), tasks)
    cells = _cells(asked, tmp_path)
    assert (cells["ArguAna"].status, cells["ArguAna"].reason) == (Status.FAILED, "ValueError: x")
    assert cells["STS12"].reason == "org/lex has no result of this task."


def test_another_prompt_than_the_papers_is_not_compared(tmp_path: Path) -> None:
    text = 'benchmark: "MTEB(eng, v2)"\ntable: 15\ntasks: [ArguAna]\n'
    for entry, expected in (
        ("prompt: e2rank-mteb", "with the prompt e2rank-mteb, which is not the paper's"),
        ("reranks: true, ranker: {kind: embedding, mode: query-only}", "of a ranker over candidate lists; the paper's is of embeddings"),
    ):
        row = f"{{base: E2Rank-lexical, name: E2Rank-0.6B, model: org/lex, engine: {{kind: lexical}}, {entry}}}"
        asked = _asked(tmp_path, f"{text}systems: [{row}]\n")
        own = _revision(asked.systems[0])
        _results(tmp_path, own, ArguAna=0.5056)
        write_ledger(_folder(tmp_path), "org/lex", own, {"ArguAna": {"status": "done"}})
        cell = _cells(asked, tmp_path)["ArguAna"]
        assert (cell.printed, cell.verdict, cell.not_judged) == ("50.56", None, expected)


# ---- without the weights ----


@pytest.fixture
def _without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> Any:
        raise MissingWeights("not at hand", hint="hf download")

    monkeypatch.setattr(finding, "evaluated", absent)


def _ledger_as_written(tmp_path: Path, system: MtebSystem, **engine: Any) -> str:
    """With what an evaluation writes of its engine, or of one that differs in something."""
    one = evaluated(system, {})
    other = replace(one, engine={**(one.engine or {}), **engine})
    write_ledger(_folder(tmp_path), "org/lex", other.revision, {"ArguAna": {"status": "done"}}, engine=other.engine, use=other.use)
    return other.revision


@pytest.mark.usefixtures("_without_weights")
def test_a_machine_without_the_weights_knows_the_results_by_their_ledger(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    mine = _ledger_as_written(tmp_path, asked.systems[0], weights_sha256="a")
    _ledger_as_written(tmp_path, asked.systems[0], dims=7)
    found = own_results(asked.systems[0], {}, [_folder(tmp_path)])
    assert found.revision == mine
    assert isinstance(found.lacking, MissingWeights)
    _results(tmp_path, mine, ArguAna=0.5)
    assert _cells(asked, tmp_path)["ArguAna"].value == 0.5


@pytest.mark.usefixtures("_without_weights")
def test_two_weights_of_one_row_are_not_chosen_between_without_them(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    for weights in ("a", "b"):
        _ledger_as_written(tmp_path, asked.systems[0], weights_sha256=weights)
    with pytest.raises(ConfigError, match="The weights of lex are not at hand, and 2 evaluations may be of them"):
        own_results(asked.systems[0], {}, [_folder(tmp_path)])
    cell = _cells(asked, tmp_path)["ArguAna"]
    assert (cell.status, cell.hint) == (Status.REFUSED, "Name one as its 'revision'.")


@pytest.mark.usefixtures("_without_weights")
def test_a_ledger_of_another_reading_is_not_the_rows_own(tmp_path: Path) -> None:
    prompted = _asked(tmp_path, V2 + "systems: [{name: lex, model: org/lex, prompt: e2rank-mteb, engine: {kind: lexical}}]\n")
    _ledger_as_written(tmp_path, prompted.systems[0])
    assert own_results(_asked(tmp_path).systems[0], {}, [_folder(tmp_path)]).ledger is None


def test_a_damaged_ledger_is_an_error_of_its_row(tmp_path: Path) -> None:
    asked = _asked(tmp_path)
    write_ledger(_folder(tmp_path), "org/lex", "abc", {}).write_text("{", encoding="utf-8")
    cell = _cells(asked, tmp_path)["ArguAna"]
    assert cell.status is Status.FAILED
    assert cell.reason.startswith("runs/mteb_results/ledgers/org__lex/abc.json: no JSON")


# ---- tasks of benchmarks that are not known here ----

LOCAL = "benchmark: local\nsystems: [{name: lex, model: org/lex, engine: {kind: lexical}}]\n"


def _note(asked: MtebTable, tmp_path: Path, tasks: dict[str, Any]) -> Path:
    path = task_list_path(_folder(tmp_path), asked)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"benchmark": asked.file.benchmark, "mteb": "2.26.24", "tasks": tasks}), encoding="utf-8")
    return path


def _local_task(type_: str, splits: tuple[str, ...] = ("test",), subsets: tuple[str, ...] = ("default",), **more: Any) -> dict[str, Any]:
    return {"type": type_, "main_score": "ndcg_at_10", "revision": "r1", "splits": splits, "subsets": subsets, **more}


def test_before_the_first_evaluation_the_tasks_are_missing(tmp_path: Path) -> None:
    table, more = mteb_tables(_asked(tmp_path, LOCAL), Places(tmp_path / "runs", None))
    (cell,) = table.missing()
    assert (cell.column, cell.hint, more) == ("tasks", "rerankbench mteb run own.yaml", {})
    assert "which tasks local has is written down by the first evaluation" in cell.reason
    assert table.exit_code() == 4


def test_noted_tasks_become_the_tables_and_count_even_where_no_result_is(tmp_path: Path) -> None:
    asked = _asked(tmp_path, LOCAL)
    own = _revision(asked.systems[0])
    _note(asked, tmp_path, {"A": _local_task("Retrieval"), "B": _local_task("Retrieval"), "C": _local_task("InstructionRetrieval")})
    _results(tmp_path, own, A=0.25, C=0.75)
    write_ledger(_folder(tmp_path), "org/lex", own, {"A": {"status": "done"}})  # killed before B
    table, more = mteb_tables(asked, Places(tmp_path / "runs", None))
    assert [column.name for column in table.columns] == ["A", "B", "C"]
    means = more["means"]
    assert isinstance(means, Table)
    assert [column.label for column in means.columns] == ["Retrieval (2)", "InstructionRetrieval (1)", "by dataset (3)", "by type (2)"]
    assert [cell.members for _, _, cell in means.cells()] == [(1, 2), (1, 1), (2, 3), (1, 2)]
    _results(tmp_path, own, B=0.5)
    means = mteb_tables(asked, Places(tmp_path / "runs", None))[1]["means"]
    assert isinstance(means, Table)
    # By type: 37.5 and 75. By dataset: (25 + 50 + 75) / 3 = 50. By type: (37.5 + 75) / 2 = 56.25.
    assert [cell.value for _, _, cell in means.cells()] == pytest.approx([0.375, 0.75, 0.5, 0.5625])


def test_a_task_of_several_splits_and_subsets_is_their_plain_mean(tmp_path: Path) -> None:
    asked = _asked(tmp_path, LOCAL)
    own = _revision(asked.systems[0])
    _note(asked, tmp_path, {"A": _local_task("Retrieval", ("dev", "test"), ("x", "y"))})
    write_ledger(_folder(tmp_path), "org/lex", own, {"A": {"status": "done"}})

    def entries(**scores: float) -> list[dict[str, Any]]:
        return [{"hf_subset": s, "languages": ["eng-Latn"], "main_score": v, "ndcg_at_10": v} for s, v in scores.items()]

    _results(tmp_path, own, A=0.0)
    scores = {"dev": entries(x=0.1, y=0.2), "test": entries(x=0.3, y=0.8, z=0.0)}  # z is no part of the task
    write_result(_folder(tmp_path) / "results" / "org__lex" / own, "A", 0.0, scores=scores)
    assert _cells(asked, tmp_path)["A"].value == pytest.approx(0.35)  # (0.1 + 0.2 + 0.3 + 0.8) / 4
    write_result(_folder(tmp_path) / "results" / "org__lex" / own, "A", 0.0, scores={**scores, "dev": entries(x=0.1)})
    cell = _cells(asked, tmp_path)["A"]
    assert (cell.status, cell.value) == (Status.MISSING, None)
    assert cell.reason == "A.json holds dev x, test x, test y, test z, not dev y."


def test_a_result_of_other_data_is_out_of_date(tmp_path: Path) -> None:
    asked = _asked(tmp_path, LOCAL)
    own = _revision(asked.systems[0])
    _note(asked, tmp_path, {"A": _local_task("Retrieval") | {"revision": "r2"}})
    _results(tmp_path, own, A=0.5)  # of r1
    write_ledger(_folder(tmp_path), "org/lex", own, {"A": {"status": "done"}})
    cell = _cells(asked, tmp_path)["A"]
    assert (cell.status, cell.reason) == (Status.MISSING, "A was evaluated on its data at revision r1; now it is r2.")


def test_a_list_of_tasks_is_of_one_selection(tmp_path: Path) -> None:
    asked = _asked(tmp_path, LOCAL)
    path = _note(asked, tmp_path, {"A": _local_task("Retrieval")})
    assert list(noted_tasks(_folder(tmp_path), asked) or {}) == ["A"]
    assert noted_tasks(_folder(tmp_path), _asked(tmp_path, LOCAL + "task_types: [STS]\n")) is None
    path.write_text('{"tasks": {"A": {"type": 7}}}', encoding="utf-8")
    with pytest.raises(StoreError, match="holds no list of tasks"):
        noted_tasks(_folder(tmp_path), asked)


def test_what_mteb_says_of_a_task_is_what_is_noted(tmp_path: Path) -> None:
    mteb = pytest.importorskip("mteb")
    asked = _asked(tmp_path, LOCAL)
    note_tasks(_folder(tmp_path), asked, [mteb.get_task("BrightRetrieval"), mteb.get_task("SciFact")])
    noted = noted_tasks(_folder(tmp_path), asked)
    assert noted is not None
    bright = noted["BrightRetrieval"]
    assert (bright.type, bright.main_score) == ("Retrieval", "ndcg_at_10")
    assert len(bright.subsets) == 12
    assert ("standard", "biology") in bright.places
    assert noted["SciFact"].places == [("test", "default")]


def test_a_ranker_bears_its_own_name_and_not_its_models_wherever_the_weights_lie(tmp_path: Path) -> None:
    row = "{{name: mine, engine: {{kind: sentence_transformers, model: {}}}, reranks: true, ranker: {{kind: embedding, mode: query-only}}}}"
    for model in ("org/model", str(tmp_path / "copy")):
        (system,) = _asked(tmp_path, f"{V2}systems:\n  - {row.format(model)}\n").systems
        assert own_results(system, {}, []).model == "rerankbench/mine"
    (named,) = _asked(tmp_path, f"{V2}systems:\n  - {row.format('org/model')[:-1]}, model: org/ranker}}\n").systems
    assert own_results(named, {}, []).model == "org/ranker"
