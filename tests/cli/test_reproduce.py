"""``rerankbench reproduce``: every table and figure in one command, and one line that counts them."""

from __future__ import annotations

import re
from pathlib import Path

from cli.calling import Caller
from rerankbench.cli.reproduce import shipped
from rerankbench.reference import load


def test_every_table_of_the_paper_and_every_figure_of_results_has_a_configuration() -> None:
    names = shipped()
    assert [name for name in names if name.startswith("table")] == [f"table{number}" for number in load().tables]
    # Figure 1a is a drawing; 1b, 1c, 2 and 3 show results.
    assert [name for name in names if name.startswith("figure")] == ["figure1b", "figure1c", "figure2", "figure3"]


def test_what_is_at_hand_is_ranked_rendered_and_counted(call: Caller, tmp_path: Path, data_dir: Path) -> None:
    ended = call(
        "reproduce", "table2", "table21", "figure1b",
        "--data", data_dir, "--runs", tmp_path / "runs", "--reports", tmp_path / "reports", "--json",
    )  # fmt: skip
    assert ended.code == 4
    said = ended.data()
    # BM25 on DL19 and DL20 in Table 2, SPLADE++ and Contriever on both in Table 21: PROTOCOL's figures, which the paper prints.
    assert {one["name"]: one["verdicts"] for one in said["made"] if not one["is_figure"]} == {
        "table2": [2, 0, 0, 34],
        "table21": [4, 0, 0, 52],
    }
    # A figure's cells are those of a table, and not counted again.
    assert said["summary"]["verdicts"] == [6, 0, 0, 86]
    assert said["summary"]["cells"] == 36 + 56
    for one in said["made"]:
        assert all(Path(file).is_file() for file in one["files"])
    assert {Path(file).suffix for file in said["made"][2]["files"]} >= {".svg", ".pdf", ".png", ".csv", ".md", ".tex", ".html"}


def test_without_ranking_only_what_is_stored_is_shown(call: Caller, tmp_path: Path, data_dir: Path) -> None:
    options = ("--data", data_dir, "--runs", tmp_path / "runs", "--reports", tmp_path / "reports")
    ended = call("reproduce", "table2", *options, "--no-rank")
    assert ended.code == 4
    assert "1 table, 36 cells: MATCH 0, CLOSE 0, DIFFERENT 0, MISSING 36" in ended.out
    assert not (tmp_path / "runs").exists()


def test_a_table_of_mteb_scores_is_counted_like_the_others(call: Caller, tmp_path: Path) -> None:
    ended = call("reproduce", "table20", "--runs", tmp_path / "runs", "--reports", tmp_path / "reports")
    assert ended.code == 4
    assert re.search(r"1 table, 246 cells: MATCH 0, CLOSE 0, DIFFERENT 0, MISSING 246", ended.out)
