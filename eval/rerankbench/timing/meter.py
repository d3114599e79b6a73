"""The most memory that was held, and the energy that was used, from one moment to another. What cannot be metered says why."""

from __future__ import annotations

import importlib
import resource
import sys
from pathlib import Path
from typing import Any

_PROCESS = Path("/proc/self")


class Meter:
    """Starts with its making. Memory is the accelerator's where torch has used one in this process, else this process's own.

    Energy is that of whole devices, whoever used them, as NVML counts it; between two readings of a busy device it is good to a
    tenth of a second's power.
    """

    def __init__(self) -> None:
        self._cuda = _cuda_in_use()
        self._is_reset = self._cuda is None and _reset_process_peak()
        if self._cuda is not None:
            for device in range(self._cuda.device_count()):
                self._cuda.reset_peak_memory_stats(device)
        self._energy_at_start = _millijoules()

    def read(self) -> dict[str, Any]:
        """What was used since the start, as a manifest keeps it: ``peak_memory`` and ``energy``."""
        return {"peak_memory": self._peak_memory(), "energy": self._energy()}

    def _peak_memory(self) -> dict[str, Any]:
        if self._cuda is not None:
            peak = sum(self._cuda.max_memory_allocated(device) for device in range(self._cuda.device_count()))
            return {"bytes": peak, "of": "the device: torch.cuda.max_memory_allocated"}
        since = "since the clock counted" if self._is_reset else "since the process began"
        return {"bytes": _process_peak_kib() * 1024, "of": f"the process: its largest resident set {since}"}

    def _energy(self) -> dict[str, Any]:
        before, after = self._energy_at_start, _millijoules()
        if isinstance(before, str) or isinstance(after, str):
            return {"absent": before if isinstance(before, str) else str(after)}
        return {"joules": (after - before) / 1000, "of": "the device: NVML's counter of total energy"}


def _cuda_in_use() -> Any:
    """``torch.cuda`` where something in this process works on an accelerator; torch is not loaded for that question."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None


def _reset_process_peak() -> bool:
    """Let the kernel forget the peak of what came before, e.g. of loading the model."""
    try:
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")  # 5: the peak of the resident set (Linux, proc(5))
    except OSError:
        return False
    return True


def _process_peak_kib() -> int:
    try:
        lines = (_PROCESS / "status").read_text(encoding="utf-8").splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _millijoules() -> int | str:
    """NVML's counter of the devices that this process works on, or why there is none."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return "pynvml is not installed"
    try:
        nvml.nvmlInit()
        try:
            handles = _handles(nvml)
            return sum(nvml.nvmlDeviceGetTotalEnergyConsumption(h) for h in handles) if handles else "torch works on no device here"
        finally:
            nvml.nvmlShutdown()
    except nvml.NVMLError as error:
        return f"NVML tells none: {error}"


def _handles(nvml: Any) -> list[Any]:
    """The devices that torch sees in this process, by their UUID: NVML counts all of the host, whatever is hidden from us."""
    cuda = _cuda_in_use()
    if cuda is None:
        return []
    uuids = [str(cuda.get_device_properties(device).uuid) for device in range(cuda.device_count())]
    return [nvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}") for uuid in uuids]
