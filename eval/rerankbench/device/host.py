"""Processor, memory and operating system, as Linux tells of them below ``/proc`` and ``/sys``; elsewhere what Python knows."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from rerankbench.device.facts import Fact, Section
from rerankbench.manifest import hardware

ROOT = Path("/")
_IN_PACKAGE = re.compile(r"^(?:physical id|core id)\s*: (\d+)", re.MULTILINE)
_UNKNOWN = "Python does not know it"
_FREQUENCY = "sys/devices/system/cpu/cpu0/cpufreq"


def host_sections(root: Path = ROOT) -> list[Section]:
    """
    Args:
        root: Of the file system, with ``proc`` and ``sys`` in it.
    """
    return [Section("processor", tuple(_processor(root))), Section("memory", (_memory(),)), Section("system", tuple(_system()))]


def _processor(root: Path) -> Iterator[Fact]:
    told = _read(root / "proc/cpuinfo")
    yield Fact("model", hardware()["cpu"])
    yield _cores(told)
    yield _told("threads", os.cpu_count(), "the system does not say")
    yield _told("threads that this process may use", _usable(), "the system does not say")
    yield _file("frequency governor", root / _FREQUENCY / "scaling_governor", str)
    yield _file("frequency at most", root / _FREQUENCY / "cpuinfo_max_freq", lambda kilohertz: int(kilohertz) // 1000, "MHz")
    yield _frequency(told)


def _cores(told: str) -> Fact:
    """Whole cores: the distinct pairs of package and core among the threads."""
    pairs = {tuple(_IN_PACKAGE.findall(thread)) for thread in told.split("\n\n")}
    cores = [pair for pair in pairs if len(pair) == 2]
    return _told("cores", len(cores), "/proc/cpuinfo does not tell packages and cores")


def _frequency(told: str) -> Fact:
    found = [float(value) for value in re.findall(r"^cpu MHz\s*: ([\d.]+)", told, re.MULTILINE)]
    return _told("frequency now, the fastest thread", round(max(found, default=0)), "/proc/cpuinfo does not tell it", "MHz")


def _usable() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _memory() -> Fact:
    return _told("size", hardware()["memory_gib"], "the system does not say", "GiB")


def _system() -> Iterator[Fact]:
    try:
        yield Fact("name", platform.freedesktop_os_release()["PRETTY_NAME"])
    except (OSError, KeyError):
        yield _told("name", platform.system(), _UNKNOWN)
    yield _told("kernel", platform.release(), _UNKNOWN)
    yield _told("architecture", platform.machine(), _UNKNOWN)


def _told(name: str, value: str | float | None, reason: str, unit: str = "") -> Fact:
    return Fact(name, value, unit) if value else Fact(name, absent=reason)


def _file(name: str, file: Path, read: Callable[[str], str | int], unit: str = "") -> Fact:
    told = _read(file)
    return Fact(name, read(told), unit) if told else Fact(name, absent=f"the system has no {file.name}")


def _read(file: Path) -> str:
    """Empty where there is no such file, or it may not be read."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
