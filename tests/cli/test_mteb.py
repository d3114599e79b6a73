"""`run` and `report` on a table of MTEB scores: what is at hand is shown, what is not is named with the command that makes it."""

from __future__ import annotations

import re
from pathlib import Path

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
