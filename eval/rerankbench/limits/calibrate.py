"""Measures what a device reaches at its best: products of matrices, and large transfers. A few seconds; no datasheet.

The largest rate counts, for a limit is what nothing goes below; median and worst are kept beside it and tell how quiet the machine was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any

from rerankbench import manifest
from rerankbench.engines.transformers_models import choose_device
from rerankbench.errors import MissingExtra
from rerankbench.limits.peaks import Peaks, Rate, device_name

if TYPE_CHECKING:
    import torch

_SIDES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192, 16384)}
_TALL = {"cpu": ((4096, 1024, 3072),), "cuda": ((16384, 4096, 12288),)}
"""Tokens by hidden size by another one: the products of a decoder are no squares."""
_NUMBERS = {"cpu": 64 * 2**20, "cuda": 512 * 2**20}
"""Of one array in single precision: many times what the caches of either hold."""


def calibrate(dtype: str, device: str = "auto", *, seconds: float = 0.5) -> Peaks:
    """
    Args:
        dtype: Of the products, as torch calls it.
        device: As an engine's options name it.
        seconds: For each piece of work, its warm-up apart; every piece is done five times at least.

    Raises:
        MissingExtra: torch is not installed.
        EngineError: a CUDA device is asked for where there is none.
    """
    if find_spec("torch") is None:
        raise MissingExtra("A calibration", "transformers", "No module named 'torch'")
    import torch

    place = choose_device(device)

    def synchronise() -> None:
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    with torch.inference_mode():
        products = tuple(_rate(*piece, synchronise, seconds) for piece in _products(torch, place, dtype))
        transfers = tuple(_rate(*piece, synchronise, seconds) for piece in _transfers(torch, place))
    environment = dict(manifest.environment())
    gpus = [torch.cuda.get_device_name(place)] if place.type == "cuda" else []
    name = device_name({**environment["hardware"], "gpus": gpus}, "auto")
    return Peaks(name, dtype, torch.get_num_threads() if place.type == "cpu" else 0, products, transfers, environment)


def repeated(
    work: Callable[[], object],
    synchronise: Callable[[], None],
    seconds: float,
    *,
    least: int = 5,
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


Piece = tuple[str, int, Callable[[], object]]
"""What it is called, how many operations or bytes it is, and itself."""


def _rate(what: str, amount: int, work: Callable[[], object], synchronise: Callable[[], None], seconds: float) -> Rate:
    times = repeated(work, synchronise, seconds)
    return Rate(what, amount / min(times), amount / median(times), amount / max(times), len(times))


def _products(torch: Any, place: torch.device, dtype: str) -> Iterator[Piece]:
    """One at a time, so that memory holds no more than the largest."""
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
