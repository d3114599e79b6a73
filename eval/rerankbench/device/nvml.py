"""The NVIDIA GPUs of the host, as NVML tells of them; all of the host's, whatever this process may use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rerankbench.device.facts import Fact, Section

NAME = "GPU"


def gpu_sections() -> list[Section]:
    """A section a GPU; one that says why, where none can be asked."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return [_absent("pynvml is not installed")]
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return [_absent(f"NVML cannot be asked: {error}")]
    try:
        count = int(nvml.nvmlDeviceGetCount())
        return [Section(f"{NAME} {n}", tuple(_facts(nvml, n))) for n in range(count)] or [_absent("NVML finds none")]
    except nvml.NVMLError as error:
        return [_absent(f"NVML tells none: {error}")]
    finally:
        nvml.nvmlShutdown()


def _absent(reason: str) -> Section:
    return Section(NAME, (Fact("name", absent=reason),))


def _facts(nvml: Any, position: int) -> Iterator[Fact]:
    handle = nvml.nvmlDeviceGetHandleByIndex(position)
    for name, (unit, ask) in _QUESTIONS.items():
        try:
            yield Fact(name, ask(nvml, handle), unit)
        except nvml.NVMLError as error:  # a device need not have all of it
            yield Fact(name, absent=f"NVML: {error}")
        except AttributeError:
            yield Fact(name, absent="this version of pynvml does not ask for it")


def _text(value: str | bytes) -> str:
    """Older versions give bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _cuda(nvml: Any, _: Any) -> str:
    version = nvml.nvmlSystemGetCudaDriverVersion_v2()  # 12040: 12.4
    return f"{version // 1000}.{version % 1000 // 10}"


def _switch(state: int) -> str:
    return "on" if state else "off"


_QUESTIONS: Mapping[str, tuple[str, Callable[[Any, Any], str | int | float]]] = {
    "name": ("", lambda nvml, handle: _text(nvml.nvmlDeviceGetName(handle))),
    "driver": ("", lambda nvml, _: _text(nvml.nvmlSystemGetDriverVersion())),
    "CUDA of the driver": ("", _cuda),
    "SM clock now": ("MHz", lambda nvml, handle: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
    "SM clock at most": ("MHz", lambda nvml, handle: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
    "memory clock now": ("MHz", lambda nvml, handle: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
    "memory clock at most": ("MHz", lambda nvml, handle: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)),
    "power limit": ("W", lambda nvml, handle: nvml.nvmlDeviceGetPowerManagementLimit(handle) / 1000),
    "memory": ("GiB", lambda nvml, handle: round(nvml.nvmlDeviceGetMemoryInfo(handle).total / 2**30, 1)),
    "ECC": ("", lambda nvml, handle: _switch(nvml.nvmlDeviceGetEccMode(handle)[0])),  # of now, then after a restart
    "MIG": ("", lambda nvml, handle: _switch(nvml.nvmlDeviceGetMigMode(handle)[0])),
}
