"""What a machine is: read of fakes whose answers are known, and a reason for all that cannot be read."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rerankbench.device import Fact, Section, as_data, device_sections, gpu_sections, host_sections


class Refused(Exception):
    """What NVML raises."""


class Nvml(SimpleNamespace):
    """A host of two GPUs, the second without MIG, in an older version that gives names as bytes."""

    NVMLError = Refused
    NVML_CLOCK_SM, NVML_CLOCK_MEM = 1, 2

    def __init__(self, count: int = 2, error: str = "") -> None:
        super().__init__(count=count, error=error, opened=0)

    def nvmlInit(self) -> None:
        if self.error:
            raise Refused(self.error)
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:
        return int(self.count)

    def nvmlDeviceGetHandleByIndex(self, position: int) -> int:
        return position

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:
        return "NVIDIA H100 80GB HBM3" if handle == 0 else b"NVIDIA T4"

    def nvmlSystemGetDriverVersion(self) -> str:
        return "550.54.15"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return 12040

    def nvmlDeviceGetClockInfo(self, handle: int, clock: int) -> int:
        return {1: 345, 2: 2619}[clock]

    def nvmlDeviceGetMaxClockInfo(self, handle: int, clock: int) -> int:
        return {1: 1980, 2: 2619}[clock]

    def nvmlDeviceGetPowerManagementLimit(self, handle: int) -> int:
        return 700_000  # milliwatts

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(total=85_899_345_920)  # 80 x 2³⁰

    def nvmlDeviceGetEccMode(self, handle: int) -> list[int]:
        return [1, 0]  # now, and after a restart

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        if handle == 1:
            raise Refused("Not Supported")
        return [0, 0]


def _texts(section: Section) -> dict[str, str]:
    return {fact.name: fact.text for fact in section.facts}


def test_every_gpu_of_the_host_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    first, second = gpu_sections()
    assert (first.name, second.name) == ("GPU 0", "GPU 1")
    assert _texts(first) == {
        "name": "NVIDIA H100 80GB HBM3",
        "driver": "550.54.15",
        "CUDA of the driver": "12.4",
        "SM clock now": "345 MHz",
        "SM clock at most": "1,980 MHz",
        "memory clock now": "2,619 MHz",
        "memory clock at most": "2,619 MHz",
        "power limit": "700.0 W",
        "memory": "80.0 GiB",
        "ECC": "on",
        "MIG": "off",
    }
    assert _texts(second)["name"] == "NVIDIA T4"
    assert _texts(second)["MIG"] == "(NVML: Not Supported)"
    assert nvml.opened == 0


def test_a_question_that_this_version_has_not_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Older(Nvml):
        def __getattribute__(self, name: str) -> Any:
            if name == "nvmlDeviceGetMigMode":
                raise AttributeError(name)
            return super().__getattribute__(name)

    monkeypatch.setitem(sys.modules, "pynvml", Older(count=1))
    (only,) = gpu_sections()
    assert _texts(only)["MIG"] == "(this version of pynvml does not ask for it)"
    assert _texts(only)["ECC"] == "on"


@pytest.mark.parametrize(
    ("nvml", "said"),
    [
        (None, "pynvml is not installed"),
        (Nvml(error="Driver Not Loaded"), "NVML cannot be asked: Driver Not Loaded"),
        (Nvml(count=0), "NVML finds none"),
    ],
)
def test_no_gpu_has_a_reason(monkeypatch: pytest.MonkeyPatch, nvml: Nvml | None, said: str) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert gpu_sections() == [Section("GPU", (Fact("name", absent=said),))]


CPUINFO = """\
processor\t: 0
model name\t: Abacus
cpu MHz\t\t: 2100.250
physical id\t: 0
core id\t\t: 0

processor\t: 1
cpu MHz\t\t: 3399.900
physical id\t: 0
core id\t\t: 0

processor\t: 2
cpu MHz\t\t: 2100.000
physical id\t: 0
core id\t\t: 1

processor\t: 3
cpu MHz\t\t: 2100.000
physical id\t: 1
core id\t\t: 0
"""


def test_the_processor_is_read_where_the_system_tells(tmp_path: Path) -> None:
    frequency = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq"
    frequency.mkdir(parents=True)
    (frequency / "scaling_governor").write_text("performance\n", encoding="utf-8")
    (frequency / "cpuinfo_max_freq").write_text("3400000\n", encoding="utf-8")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(CPUINFO, encoding="utf-8")
    found = _texts(host_sections(tmp_path)[0])
    assert found["cores"] == "3"  # the first two threads share one
    assert found["frequency governor"] == "performance"
    assert found["frequency at most"] == "3,400 MHz"
    assert found["frequency now, the fastest thread"] == "3,400 MHz"
    assert found["threads"] == str(os.cpu_count())


def test_what_the_system_does_not_tell_has_a_reason(tmp_path: Path) -> None:
    found = _texts(host_sections(tmp_path)[0])
    assert found["cores"] == "(/proc/cpuinfo does not tell packages and cores)"
    assert found["frequency governor"] == "(the system has no scaling_governor)"
    assert found["frequency at most"] == "(the system has no cpuinfo_max_freq)"
    assert found["frequency now, the fastest thread"] == "(/proc/cpuinfo does not tell it)"


def test_this_machine_has_facts_or_reasons() -> None:
    sections = {section.name: section for section in device_sections()}
    assert [name for name in sections if not name.startswith("GPU")] == ["processor", "memory", "system", "software"]
    assert all((fact.value is None) != (fact.absent == "") for section in sections.values() for fact in section.facts)
    software = _texts(sections["software"])
    assert (software["Python"], software["numpy"]) == (platform.python_version(), np.__version__)
    assert _texts(sections["system"])["kernel"] == platform.release()


def test_data_has_numbers_with_units_and_reasons() -> None:
    section = Section("GPU 0", (Fact("memory", 80.0, "GiB"), Fact("driver", "550"), Fact("MIG", absent="NVML: Not Supported")))
    assert as_data([section]) == {
        "GPU 0": {"memory": {"value": 80.0, "unit": "GiB"}, "driver": {"value": "550"}, "MIG": {"absent": "NVML: Not Supported"}}
    }
