"""``data audit`` prints a table for people, one JSON object for programs, and always what it could not audit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rerankbench.cli import data


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("RERANKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RERANKBENCH_DATA", raising=False)
    return CliRunner()


def said(runner: CliRunner, *arguments: str | Path) -> str:
    app = typer.Typer()
    app.command()(data.audit)
    called = runner.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert called.exit_code == 0
    return called.stdout


def test_a_table_names_what_was_found_and_what_was_not_audited(audit: CliRunner) -> None:
    text = said(audit, "mini")
    assert "'slug-11', 'slug-12'" in text
    assert "99.17" in text  # the ceiling; see the JSON test
    assert "Not audited:" in text
    assert "contriever lists: mini comes with this package" in text


def test_the_json_is_one_object_with_fractions(audit: CliRunner) -> None:
    report = json.loads(said(audit, "mini", "--first-stages", "bm25", "--depth", "20", "--json"))
    assert report["benchmark"] == "mini"
    assert report["not_audited"] == []
    (lists,) = report["lists"]
    assert lists["depth"] == 20
    assert 0.45 < lists["measures"]["nDCG@10"] < 0.65
    assert 0.9 < lists["measures"]["ceiling"] <= 1.0


def test_the_real_dl19_is_shown_with_every_first_stage_at_hand(audit: CliRunner, data_dir: Path) -> None:
    text = said(audit, "dl19", "--data", data_dir)
    for first_stage, quality in [("bm25", "50.58"), ("splade-pp-ed", "73.08"), ("contriever", "62.02")]:
        assert any(first_stage in line and quality in line and "with text" in line for line in text.splitlines())
    assert "no beir/msmarco/corpus.jsonl" in " ".join(text.split())


def test_a_folder_of_ones_own_is_audited(audit: CliRunner, data_dir: Path) -> None:
    report = json.loads(said(audit, data_dir / "beir" / "scifact", "--json"))
    assert report["benchmark"] == "scifact"
    assert {f["what"]: f["count"] for f in report["findings"]}["documents"] == 5_183
    assert report["lists"] == []
