"""The peaks of the devices that runs were timed on: a file a type of number, beside the reports of the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerankbench.errors import DataError, EngineError, MeasureError, MissingData, MissingExtra
from rerankbench.latency.devices import device_label, folder_name
from rerankbench.limits import Peaks, calibrate, device_of_run, here, read_peaks, write_peaks


@dataclass(frozen=True, slots=True)
class DevicePeaks:
    """
    Attributes:
        folder: Which holds a folder of each device.
        measures: Whether what is not there is measured now, and what was measured with other threads or another torch is measured
            again; else what is there is taken as it is.
    """

    folder: Path
    measures: bool = False

    def of_run(self, manifest: Mapping[str, Any], dtype: str) -> Peaks:
        """
        Raises:
            MissingData: they were never measured.
            MissingExtra: torch is not installed.
            EngineError: the device could not be measured.
            MeasureError: they are to be measured, and the run was made on another device than this one.
            DataError: their file is damaged.
        """
        hardware, engine = manifest["environment"]["hardware"], manifest["system"]["engine"] or {}
        # On a host with GPUs a run may have taken the processor all the same.
        name = f"peaks-cpu-{dtype}.json" if hardware["gpus"] and engine.get("device") == "cpu" else f"peaks-{dtype}.json"
        file = self.folder / folder_name(device_label(hardware)) / name
        kept = _read(file) if file.is_file() else None
        if self.measures:
            return self._current(manifest, dtype, kept, file)
        if kept is None:
            raise MissingData(
                f"What {device_of_run(manifest)} reaches in {dtype} was not measured.",
                hint="On that device: rerankbench latency CONFIG, with the same --runs and --reports",
            )
        return kept

    def kept(self, device: str) -> tuple[list[Peaks], list[DataError]]:
        """All that is kept of a device, by type, and what is wrong with files that hold none.

        Args:
            device: Its folder.
        """
        peaks: list[Peaks] = []
        damaged: list[DataError] = []
        for file in sorted((self.folder / device).glob("peaks-*.json")):
            try:
                peaks.append(_read(file))
            except DataError as error:
                damaged.append(error)
        return peaks, damaged

    @staticmethod
    def _current(manifest: Mapping[str, Any], dtype: str, kept: Peaks | None, file: Path) -> Peaks:
        device, made_on = (manifest["system"]["engine"] or {}).get("device", "auto"), device_of_run(manifest)
        try:
            now = here(device)
        except (MissingExtra, EngineError):
            if kept is not None:  # from where they could be measured
                return kept
            raise
        if now.device != made_on and kept is None:
            raise MeasureError(f"The run was made on {made_on}, and this is {now.device}: its peaks are measured there.")
        if kept is not None and (now.device != made_on or now.has(kept)):
            return kept
        peaks = calibrate(dtype, device)
        write_peaks(peaks, file)
        return peaks


def _read(file: Path) -> Peaks:
    """Raises: DataError: it is damaged; in a report, where a whole path would be one of somebody's machine."""
    try:
        return read_peaks(file)
    except DataError as error:
        raise DataError(error.message.replace(str(file), file.name), hint=f"Delete {file}: rerankbench latency measures anew.") from error
