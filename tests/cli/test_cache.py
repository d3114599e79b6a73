"""``cache list`` and ``cache prune`` say what is there and what is gone, to people and to programs."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cli.calling import Caller
from engines.cache_writer import values
from engines.test_cache_folders import ONE, TWO, fill, size
from rerankbench.cli import cache
from rerankbench.engines.disk_cache import DiskCache
from rerankbench.errors import UsageError


def called(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command("list")(cache.list_)
    app.command("prune")(cache.prune)
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def data(*arguments: str | Path) -> Any:
    done = called(*arguments, "--json")
    assert done.exit_code == 0
    return json.loads(done.stdout)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Engine 01… with ten answers, last used 40 days ago, and engine 23… with three, used now."""
    fill(tmp_path / "cache", ONE, 10, days_ago=40)
    fill(tmp_path / "cache", TWO, 3)
    return tmp_path / "cache"


def test_the_list_names_each_engine(root: Path) -> None:
    text = " ".join(called("list", "--cache", root).stdout.split())
    assert f"{ONE[:16]} kind=test, seed=10 10 {size(root / ONE):,}" in text
    assert f"{TWO[:16]} kind=test, seed=3 3 {size(root / TWO):,}" in text


def test_the_json_list_has_all_that_is_known(root: Path) -> None:
    with closing(DiskCache(root, TWO, {})):
        found = data("list", "--cache", root)
    assert found["cache"] == str(root)
    two, one = found["engines"]
    assert (one["fingerprint"], one["engine"], one["answers"]) == (ONE, {"kind": "test", "seed": 10}, 10)
    assert (one["bytes"], one["in_use"], two["in_use"]) == (size(root / ONE), False, True)
    assert one["last_used"] < one["first_used"]  # the test has set its clock back


def test_where_nothing_is_kept_the_list_says_so(call: Caller, tmp_path: Path) -> None:
    said = call("cache", "list", "--cache", tmp_path / "none")
    assert said.code == 0
    assert "holds no engine's answers" in " ".join(said.out.split())


def test_the_folder_is_named_or_stands_in_the_environment(call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = call("cache", "list")
    assert said.code == 2
    assert "--cache DIR" in said.err
    monkeypatch.setenv("RERANKBENCH_ANSWERS", str(tmp_path / "kept"))
    assert call("run", "demo").code == 0
    (found,) = [e for e in call("cache", "list", "--json").data()["engines"] if e["engine"]["kind"] == "lexical"]
    assert Path(call("cache", "list", "--json").data()["cache"]) == tmp_path / "kept"
    assert found["fingerprint"]


def test_one_engine_is_pruned_by_the_beginning_of_its_fingerprint(root: Path) -> None:
    freed = size(root / ONE)
    done = called("prune", "--engine", "0101", "--cache", root)
    assert f"deleted {ONE[:16]} (kind=test, seed=10): 10 answers, {freed:,} bytes" in done.stdout
    assert f"1 engine, {freed:,} bytes are free again." in done.stdout
    assert [path.name for path in root.iterdir()] == [TWO]


def test_a_dry_run_says_the_same_and_deletes_nothing(root: Path) -> None:
    both = size(root / ONE) + size(root / TWO)
    done = called("prune", "--all", "--dry-run", "--cache", root)
    assert done.stdout.count("would delete") == 2
    assert f"2 engines, {both:,} bytes would be free." in done.stdout
    assert len(list(root.iterdir())) == 2
    found = data("prune", "--all", "--cache", root)
    assert (found["bytes"], found["dry_run"], len(found["removed"])) == (both, False, 2)
    assert list(root.iterdir()) == []


def test_only_what_was_not_used_for_so_long_is_pruned(root: Path) -> None:
    assert data("prune", "--older-than", "41", "--cache", root)["removed"] == []
    found = data("prune", "--older-than", "39.5", "--cache", root)
    assert [one["fingerprint"] for one in found["removed"]] == [ONE]
    assert data("prune", "--older-than", "0", "--engine", TWO, "--cache", root)["bytes"] > 0


def test_what_is_in_use_stays_and_is_said(root: Path) -> None:
    with closing(DiskCache(root, ONE, {})) as held:
        done = called("prune", "--all", "--cache", root)
        assert f"kept {ONE[:16]} (kind=test, seed=10): a process is using it" in done.stdout
        assert held.get(list(values(range(10)))) == values(range(10))
        found = data("prune", "--all", "--dry-run", "--cache", root)
        assert ([one["fingerprint"] for one in found["in_use"]], found["removed"]) == ([ONE], [])


@pytest.mark.parametrize("arguments", [(), ("--all", "--engine", "01"), ("--all", "--older-than", "3"), ("--dry-run",)])
def test_without_saying_what_nothing_is_pruned(root: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="Say which engines' answers"):
        called("prune", *arguments, "--cache", root)
    assert len(list(root.iterdir())) == 2


@pytest.mark.parametrize(("prefix", "found"), [("ff", "none"), ("", None)])
def test_an_engine_that_is_not_there_is_a_usage_error(root: Path, prefix: str, found: str | None) -> None:
    with pytest.raises(UsageError, match=f"it begins {found}" if found else "Say which"):
        called("prune", "--engine", prefix, "--cache", root)


def test_the_beginning_of_two_fingerprints_is_refused(root: Path) -> None:
    fill(root, "01" * 31 + "ff", 1)
    with pytest.raises(UsageError, match="is to begin the fingerprint of one engine"):
        called("prune", "--engine", "01", "--cache", root)
    assert len(list(root.iterdir())) == 3
