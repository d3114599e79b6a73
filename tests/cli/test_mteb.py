"""`run` and `report` on a table of MTEB scores: what is at hand is shown, what is not is named with the command that makes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cli.calling import Caller, files_below
from mteb_folder import write_benchmark, write_meta
from rerankbench.reference import mteb


def test_run_evaluates_nothing_and_says_which_command_does(call: Caller, tmp_path: Path) -> None:
    done = call("run", "table15")
    assert (done.code, done.out) == (4, "")
    first, second, *_ = done.err.splitlines()
    assert first == "table15 is a table of MTEB scores, and nothing is evaluated by this command."
    assert second.startswith("rerankbench mteb run table15 evaluates E2Rank-0.6B-only-stage1, E2Rank-0.6B, ")
    assert "to get it: hf download Alibaba-NLP/E2Rank-8B; then: rerankbench mteb run table15 --systems E2Rank-8B" in done.err
    assert list(tmp_path.iterdir()) == []
    missing = call("run", "table15", "--json").data()["missing"]
    assert len(missing) == 6
    assert missing[0].keys() == {"system", "variant", "reason", "hint"}


def test_report_writes_its_files_and_exits_with_4_while_cells_are_missing(call: Caller, tmp_path: Path) -> None:
    done = call("report", "table4")
    assert done.code == 4
    assert "Incomplete: 104 of 104 cells have no number." in done.out
    written = {Path(name).name for name in files_below(tmp_path / "reports" / "table4")}
    assert written == {f"{name}.{end}" for name in ("table", "means", "tasks", "versions") for end in ("md", "csv", "tex", "html")}
    table = call("report", "table4", "--json").data()
    assert (table["exit_code"], len(table["cells"]), len(table["files"])) == (4, 104, 16)
    assert list(table["more"]) == ["means", "tasks", "versions"]
    assert len(table["more"]["tasks"]["cells"]) == 13 * 56
    assert len(table["more"]["versions"]["rows"]) == 56


def test_a_table_whose_results_are_all_there_is_done(call: Caller, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mteb_results" / "org__m" / "r"
    write_benchmark(folder, mteb.load().benchmarks["MTEB(eng, v2)"], 0.5)
    write_meta(folder, "org/m", "r")
    text = 'layout: mteb\ntitle: Own\nbenchmark: "MTEB(eng, v2)"\ntasks: [ArguAna, STS12]\nsystems: [{name: m, model: org/m}]\n'
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    done = call("run", "own.yaml")
    assert (done.code, done.err.strip()) == (0, "All results are at hand: rerankbench report own")
    reported = call("report", "own.yaml", "--json")
    assert reported.code == 0
    assert [cell["value"] for cell in reported.data()["cells"]] == [0.5, 0.5]


@pytest.mark.parametrize(
    "arguments", [("report", "table4", "--limit", "3"), ("run", "table4", "--cache", "c"), ("run", "table4", "--benchmarks", "x")]
)
def test_options_that_mean_nothing_are_refused(call: Caller, arguments: tuple[str, ...]) -> None:
    done = call(*arguments)
    assert done.code == 2
    assert f"{arguments[2]} means nothing for table4" in done.err


def test_a_system_that_is_not_in_the_table_is_refused(call: Caller) -> None:
    done = call("report", "table4", "--systems", "E2Rank-0.6")
    assert done.code == 2
    assert "This table has no system 'E2Rank-0.6'. Did you mean 'E2Rank-0.6B'" in done.err


def test_lists_and_doctor_know_these_tables(call: Caller) -> None:
    names = [row["configuration"] for row in call("list", "configs", "--json").data()["configs"]]
    assert {"table4", "table14", "table15", "table20", "mteb-qwen3-embedding", "table12", "table13", "latency-demo"} <= set(names)
    table4 = call("doctor", "--json").data()["configurations"]["table4"]
    assert (table4["cells"], table4["ready"], table4["missing"]) == (104, 0, 104)
    assert table4["needs"][0]["hint"]


# ---- a column of a table of rerankers ----


def _full_row(folder: Path) -> None:
    """All 41 tasks of E2Rank-0.6B. (40 × 63.00 + 79.81) / 41 = 2599.81 / 41 = 63.41, as the paper prints."""
    *names, last = mteb.load().benchmarks["MTEB(eng, v2)"]
    write_benchmark(folder, names, 0.63)
    write_benchmark(folder, [last], 0.7981)
    write_meta(folder, "Alibaba-NLP/E2Rank-0.6B", "r", use_instructions=True)


def _average(table: Any, variant: str = "full") -> Any:
    (cell,) = [c for c in table["cells"] if (c["benchmark"], c["variant"]) == ("mteb-eng-v2-avg", variant)]
    return cell


def test_table_6_shows_the_average_of_table_20_wherever_it_is_shown(call: Caller, tmp_path: Path) -> None:
    _full_row(tmp_path / "data" / "mteb_results" / "Alibaba-NLP__E2Rank-0.6B" / "r")
    data = ("--data", "data")
    shown = _average(call("report", "table6", *data, "--json").data())
    assert (shown["value"], shown["paper"], shown["verdict"]) == (0.6341, "63.41", "MATCH")
    assert shown == _average(call("report", "table20", *data, "--json").data())
    counted = call("reproduce", "table6", *data, "--no-rank", "--json").data()["made"][0]
    assert counted["verdicts"][0] == 1  # MATCH
    assert call("site", "table6", "--only", *data, "--out", "site").code == 4
    assert "63.41" in (tmp_path / "site" / "tables" / "table6.html").read_text(encoding="utf-8")
    table6 = call("doctor", *data, "--json").data()["configurations"]["table6"]
    assert (table6["cells"], table6["ready"], table6["missing"]) == (6 * 21 + 6, 1, 6 * 21 + 5)


def test_run_evaluates_nothing_of_the_column_and_says_which_command_does(call: Caller, tmp_path: Path) -> None:
    done = call("run", "table6", "--systems", "E2Rank-0.6B")
    assert (done.code, done.out) == (4, "")
    hint = "hf download Alibaba-NLP/E2Rank-0.6B; then: rerankbench mteb run table20 --systems E2Rank-0.6B"
    assert "mteb-eng-v2-avg: 1 of 1 cells have no score of MTEB. Nothing of it is evaluated by this command" in done.err
    assert f"E2Rank-0.6B: The weights of E2Rank-0.6B are published, but not at hand.\n  to get it: {hint}" in done.err
    assert "E2Rank-0.6B-only-stage1" not in done.err
    assert hint in call("run", "table6", "--dry-run").out
    (said,) = call("run", "table6", "--systems", "E2Rank-0.6B", "--dry-run", "--json").data()["mteb"]
    assert said == {
        "column": "mteb-eng-v2-avg",
        "config": "table20",
        "system": "E2Rank-0.6B",
        "state": "missing",
        "reason": "The weights of E2Rank-0.6B are published, but not at hand.",
        "hint": hint,
    }
    _full_row(tmp_path / "runs" / "mteb_results" / "Alibaba-NLP__E2Rank-0.6B" / "r")
    assert call("run", "table6", "--systems", "E2Rank-0.6B", "--json").data()["mteb"][0]["state"] == "done"
    assert "MTEB" not in call("run", "table6", "--systems", "E2Rank-0.6B").err
    assert "mteb" not in call("run", "table6", "--benchmarks", "dl20", "--dry-run", "--json").data()


def test_a_missing_score_alone_makes_a_run_incomplete(call: Caller, tmp_path: Path) -> None:
    text = "title: t\ntable: 6\nbenchmarks: [mini]\ndepth: 50\nsystems: [{base: E2Rank-0.6B, engine: {kind: lexical}}]\n"
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    assert call("run", "own.yaml").code == 0
    assert call("run", "own.yaml", "--set", "mteb_columns={mteb-eng-v2-avg: table20}").code == 4
    _full_row(tmp_path / "runs" / "mteb_results" / "Alibaba-NLP__E2Rank-0.6B" / "r")
    assert call("run", "own.yaml", "--set", "mteb_columns={mteb-eng-v2-avg: table20}").code == 0


def test_a_wrong_column_is_refused_before_anything_is_ranked(call: Caller, tmp_path: Path) -> None:
    for command in ("run", "report"):
        done = call(command, "table6", "--set", "mteb_columns={mteb-eng-v2: table20}")
        assert (done.code, "Did you mean 'mteb-eng-v2-avg'" in done.err) == (2, True), done.err
    assert list(tmp_path.iterdir()) == []


def test_user_text_is_escaped_in_every_format(call: Caller, tmp_path: Path) -> None:
    text = 'layout: mteb\ntitle: "<b>A_b|c</b>"\nbenchmark: "MTEB(eng, v2)"\ntasks: ["<i>T_1|x"]\n'
    text += 'systems: [{name: "<u>s_1|y", model: org/m}]\n'
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    assert call("report", "own.yaml").code == 4
    written = {name.rpartition("/")[2]: content.decode() for name, content in files_below(tmp_path / "reports").items()}
    command = "`pip install mteb; mteb run -m org/m -t '<i>T_1|x' --output-folder runs/mteb_results"
    assert command in written["table.md"]  # as code, and quoted for a shell
    rest = re.sub("`.*?`", "", written["table.md"])
    assert not any(tag in rest for tag in ("<b>", "<i>", "<u>", "T_1|x"))
    assert r"T\_1" in written["table.tex"]
