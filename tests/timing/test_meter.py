"""Memory and energy: of the device where there is one, of the process where not, and a reason where it cannot be told."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from rerankbench.timing import Meter


class Refused(Exception):
    """What NVML raises."""


class Cuda(SimpleNamespace):
    """``torch.cuda`` of one device that has held 3 GiB at most since its peak was reset."""

    def __init__(self) -> None:
        super().__init__(resets=[])

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def reset_peak_memory_stats(self, device: int) -> None:
        self.resets.append(device)

    def max_memory_allocated(self, device: int) -> int:
        assert self.resets == [device]
        return 3 << 30

    def get_device_properties(self, device: int) -> Any:
        return SimpleNamespace(uuid="aa-bb")


class Nvml(SimpleNamespace):
    """A host of two devices, whose counters stand at 100 J more at each reading."""

    NVMLError = Refused

    def __init__(self, error: str = "") -> None:
        super().__init__(error=error, joules=1000, opened=0)

    def nvmlInit(self) -> None:
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        assert uuid == "GPU-aa-bb"
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        assert handle == "GPU-aa-bb"
        if self.error:
            raise Refused(self.error)
        self.joules += 100
        return int(self.joules) * 1000  # in millijoules


def test_without_a_device_the_memory_is_the_processs_and_there_is_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    meter = Meter()
    held = bytearray(64 << 20)
    held[::4096] = b"x" * len(held[::4096])  # touched, so that it is resident
    found = meter.read()
    assert found["peak_memory"]["bytes"] > len(held)
    assert found["peak_memory"]["of"].startswith("the process: its largest resident set since ")
    assert found["energy"] == {"absent": "pynvml is not installed"}


def test_on_a_device_both_are_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = Nvml()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=Cuda()))
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert Meter().read() == {
        "peak_memory": {"bytes": 3 << 30, "of": "the device: torch.cuda.max_memory_allocated"},
        "energy": {"joules": 100.0, "of": "the device: NVML's counter of total energy"},
    }
    assert nvml.opened == 0


def test_a_device_without_a_counter_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = Nvml(error="Not Supported")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=Cuda()))
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert Meter().read()["energy"] == {"absent": "NVML tells none: Not Supported"}
    assert nvml.opened == 0


def test_nvml_without_a_device_that_works_here_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    assert Meter().read()["energy"] == {"absent": "torch works on no device here"}
