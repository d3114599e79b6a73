"""What a device was measured to reach: the unit of every limit. Kept as JSON, with the environment that it was measured in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from rerankbench.errors import DataError, MissingData

FORMAT = "rerankbench calibration 1"


@dataclass(frozen=True, slots=True)
class Rate:
    """One piece of work, done several times.

    Attributes:
        what: E.g. ``"product 1024 x 1024 x 1024"``.
        best, median, worst: Operations or bytes a second.
    """

    what: str
    best: float
    median: float
    worst: float
    repeats: int


@dataclass(frozen=True, slots=True)
class Peaks:
    """
    Attributes:
        device: As `device_name` gives it.
        threads: That the processor was used with; 0 on an accelerator.
        products: In operations a second, in `dtype`.
        transfers: In bytes a second, read and written together.
    """

    device: str
    dtype: str
    threads: int
    products: tuple[Rate, ...]
    transfers: tuple[Rate, ...]
    environment: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def torch(self) -> str:
        """The version that measured them; empty where the file does not say."""
        return str(self.environment.get("packages", {}).get("torch", ""))

    @property
    def product(self) -> Rate:
        """The fastest product."""
        return max(self.products, key=lambda rate: rate.best)

    @property
    def transfer(self) -> Rate:
        """The fastest transfer."""
        return max(self.transfers, key=lambda rate: rate.best)

    @property
    def flops_per_s(self) -> float:
        return self.product.best

    @property
    def bytes_per_s(self) -> float:
        return self.transfer.best

    def as_data(self) -> dict[str, Any]:
        """As it is kept, the two peaks first for whoever reads the file."""
        return {"format": FORMAT, "flops_per_s": self.flops_per_s, "bytes_per_s": self.bytes_per_s, **asdict(self)}


def device_name(hardware: Mapping[str, Any], device: str) -> str:
    """What the environment of a run calls the device that an engine took.

    Args:
        hardware: As a manifest has it.
        device: As an engine's options name it; ``auto`` is the first GPU where there is one.
    """
    gpus = hardware["gpus"]
    if device == "cpu" or not gpus:
        return f"{hardware['cpu']}, {hardware['cores']} cores"
    position = int(device.partition(":")[2] or 0)
    return str(gpus[position] if position < len(gpus) else gpus[0])


def write_peaks(peaks: Peaks, file: Path) -> None:
    """Keep them; folders that are not there are made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    partial.write_bytes(orjson.dumps(peaks.as_data(), option=orjson.OPT_INDENT_2) + b"\n")
    partial.replace(file)


def read_peaks(file: Path) -> Peaks:
    """
    Raises:
        MissingData: there is no such file.
        DataError: it holds no calibration.
    """
    if not file.is_file():
        raise MissingData(f"There is no calibration {file}.", hint=f"rerankbench limits --calibrate --calibration {file}")
    try:
        found = orjson.loads(file.read_bytes())
        if found["format"] != FORMAT:
            raise DataError(f"{file}: its format is {found['format']!r}, expected {FORMAT!r}.", hint="Calibrate again.")
        peaks = Peaks(
            str(found["device"]),
            str(found["dtype"]),
            int(found["threads"]),
            tuple(Rate(**rate) for rate in found["products"]),
            tuple(Rate(**rate) for rate in found["transfers"]),
            dict(found["environment"]),
        )
        usable = peaks.flops_per_s > 0 and peaks.bytes_per_s > 0
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file}: holds no calibration: {error}", hint="Calibrate again.") from error
    if not usable:
        raise DataError(f"{file}: a peak is not above 0.", hint="Calibrate again.")
    return peaks
