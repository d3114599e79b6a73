"""Measures what a device reaches at its best: products of matrices, and large transfers. Some ten seconds; no datasheet.

The largest rate counts, for a limit is what nothing goes below; median and worst are kept beside it and tell how quiet the machine was.
Round follows round, so that a moment in which the machine was busy does not decide about a piece of work.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any

from rerankbench import manifest
from rerankbench.engines.transformers_models import choose_device
from rerankbench.errors import EngineError, MissingExtra
from rerankbench.limits.peaks import Peaks, Rate, device_name

if TYPE_CHECKING:
    import torch

_SIDES = {"cpu": (256, 512, 1024, 2048), "cuda": (2048, 4096, 8192, 16384)}
_TALL = {"cpu": ((4096, 1024, 3072),), "cuda": ((16384, 4096, 12288),)}
"""Tokens by hidden size by another one: the products of a decoder are no squares."""
_NUMBERS = {"cpu": 64 * 2**20, "cuda": 512 * 2**20}
"""Of one array in single precision: many times what the caches of either hold."""


ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Here:
    """What a calibration of this process would be of: peaks of another one are not its own.

    Attributes:
        device: As `device_name` gives it.
        threads: That torch uses the processor with; 0 on an accelerator.
        torch: Its version.
    """

    device: str
    threads: int
    torch: str

    def has(self, peaks: Peaks) -> bool:
        """Whether peaks are those of this device, as it is used now."""
        return (self.device, self.threads, self.torch) == (peaks.device, peaks.threads, peaks.torch)


def here(device: str = "auto") -> Here:
    """
    Args:
        device: As an engine's options name it.

    Raises:
        MissingExtra: torch is not installed.
        EngineError: a CUDA device is asked for where there is none.
    """
    if find_spec("torch") is None:
        raise MissingExtra("A calibration", "transformers", "No module named 'torch'")
    import torch

    place = choose_device(device)
    gpus = [torch.cuda.get_device_name(place)] if place.type == "cuda" else []
    name = device_name({**manifest.hardware(), "gpus": gpus}, "auto")
    return Here(name, torch.get_num_threads() if place.type == "cpu" else 0, manifest.environment()["packages"]["torch"])


def calibrate(dtype: str, device: str = "auto", *, seconds: float = 0.15) -> Peaks:
    """
    Args:
        dtype: Of the products, as torch calls it.
        device: As an engine's options name it.
        seconds: For each piece of work in each round, its warm-up apart; every piece is done three times at least.

    Raises:
        MissingExtra, EngineError: as `here`; or the device cannot do it, e.g. for want of memory.
    """
    found = here(device)
    import torch

    place = choose_device(device)

    def synchronise() -> None:
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    try:
        with torch.inference_mode():
            products = rates(lambda: _products(torch, place, dtype), synchronise, seconds)
            transfers = rates(lambda: _transfers(torch, place), synchronise, seconds)
    except RuntimeError as error:  # torch's own, out of memory among them
        first = next(iter(str(error).splitlines()), "")
        raise EngineError(f"{found.device} could not be calibrated in {dtype}: {first}") from error
    return Peaks(found.device, dtype, found.threads, products, transfers, {**manifest.environment(), "hardware": manifest.hardware()})


Piece = tuple[str, int, Callable[[], object]]
"""What it is called, how many operations or bytes it is, and itself."""


def rates(
    pieces: Callable[[], Iterator[Piece]],
    synchronise: Callable[[], None],
    seconds: float,
    *,
    now: Callable[[], float] = time.perf_counter,
) -> tuple[Rate, ...]:
    """Of each piece, over all rounds.

    Args:
        pieces: Makes them anew for each round, one at a time, so that memory holds no more than the largest.
        synchronise, seconds, now: As of `repeated`.
    """
    amounts: dict[str, int] = {}
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for what, amount, work in pieces():
            amounts[what] = amount
            times[what] += repeated(work, synchronise, seconds, now=now)
    return tuple(
        Rate(what, n / min(times[what]), n / median(times[what]), n / max(times[what]), len(times[what])) for what, n in amounts.items()
    )


def repeated(
    work: Callable[[], object],
    synchronise: Callable[[], None],
    seconds: float,
    *,
    least: int = 3,
    now: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each of several repetitions, after one that does not count.

    Args:
        synchronise: Waits for the device; called before either end of a repetition is read from the clock.
        seconds: When to stop, once there are `least`.
    """
    work()
    synchronise()
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        start = now()
        work()
        synchronise()
        times.append(now() - start)
    return times


def _products(torch: Any, place: torch.device, dtype: str) -> Iterator[Piece]:
    squares = [(side, side, side) for side in _SIDES[place.type]]
    for rows, inner, columns in (*squares, *_TALL[place.type]):
        left = torch.randn(rows, inner, device=place).to(getattr(torch, dtype))
        right = torch.randn(columns, inner, device=place).to(getattr(torch, dtype))

        def product(left: Any = left, right: Any = right) -> object:
            return torch.nn.functional.linear(left, right)  # the very call of a decoder's layers

        yield f"product {rows} x {inner} x {columns}", 2 * rows * inner * columns, product


def _transfers(torch: Any, place: torch.device) -> Iterator[Piece]:
    """Reading alone is among them: decoding does little else, and writing costs a processor more than it shows."""
    numbers = _NUMBERS[place.type]
    a, b, c = (torch.ones(numbers, device=place) for _ in range(3))
    yield "copy", 2 * 4 * numbers, lambda: b.copy_(a)
    yield "triad", 3 * 4 * numbers, lambda: torch.add(a, b, alpha=3.0, out=c)
    yield "read", 4 * numbers, a.sum
