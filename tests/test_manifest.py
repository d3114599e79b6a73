"""What a run was made with is found out, and what cannot be known is left out."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import orjson
import pytest

from rerankbench import __version__, manifest

ROOT = Path(__file__).parents[1]


def _git(*arguments: str) -> str:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout.strip()


def test_the_environment_names_versions_and_hardware() -> None:
    found = manifest.environment()
    assert found["rerankbench"] == __version__
    assert found["python"] == platform.python_version()
    assert found["packages"]["numpy"] == metadata.version("numpy")
    assert found["hardware"]["cores"] == os.cpu_count()
    assert orjson.loads(orjson.dumps(found)) == found


def test_packages_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "PACKAGES", ("numpy", "no-such-package"))
    assert manifest._versions().keys() == {"numpy"}


def test_the_commit_is_that_of_the_checkout() -> None:
    head, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    assert manifest._commit() == {"commit": head, "dirty": bool(changes)}


def test_another_repository_in_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = _git("rev-parse", "HEAD")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))  # as in a hook of that repository
    assert manifest._commit()["commit"] == head


def test_without_git_there_is_no_commit_and_no_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert manifest._commit() == {}


def test_whether_files_were_changed_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    _git("rev-parse", "HEAD")
    monkeypatch.setattr(manifest, "_git", lambda root, *arguments: "abc" if arguments[0] == "rev-parse" else None)
    assert manifest._commit() == {"commit": "abc"}
