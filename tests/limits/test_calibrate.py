"""Rates by a fake clock: the warm-up does not count, and a device that is behind is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rerankbench.errors import EngineError, MissingExtra
from rerankbench.limits import Rate, calibrate, here
from rerankbench.limits.calibration import Piece, rates, repeated
from rerankbench.manifest import hardware


class Device:
    """Takes `seconds` of each piece of work in turn, after the call that starts it has returned."""

    def __init__(self, *seconds: float, last: float = 1.0) -> None:
        self.time = 0.0
        self._queue = list(seconds)
        self._last = last
        self._behind = 0.0

    def now(self) -> float:
        return self.time

    def work(self) -> None:
        self._behind += self._queue.pop(0) if self._queue else self._last

    def synchronise(self) -> None:
        self.time += self._behind
        self._behind = 0.0


def test_the_warm_up_does_not_count_and_the_device_is_waited_for() -> None:
    device = Device(60.0, 1.0, 9.0, 2.0)
    assert repeated(device.work, device.synchronise, 0.0, now=device.now) == [1.0, 9.0, 2.0]


def test_without_waiting_nothing_would_have_taken_time() -> None:
    device = Device(60.0, 1.0, 9.0, 2.0)
    assert repeated(device.work, lambda: None, 0.0, now=device.now) == [0.0, 0.0, 0.0]


def test_it_goes_on_until_the_time_is_over() -> None:
    device = Device(5.0, last=0.5)
    assert repeated(device.work, device.synchronise, 2.2, now=device.now) == [0.5] * 5  # 2.0 s are too few


def test_the_best_of_all_rounds_counts_and_the_others_are_kept() -> None:
    # A warm-up and three repetitions a round; the machine is busy in the first.
    device = Device(60.0, 8.0, 8.0, 16.0, 60.0, 4.0, 2.0, 4.0, 60.0, 4.0, 4.0, 4.0)
    made = []

    def pieces() -> Iterator[Piece]:
        made.append("round")
        yield "product", 32, device.work

    found = rates(pieces, device.synchronise, 0.0, now=device.now)
    # The times: 2, 4, 4, 4, 4, 4, 8, 8, 16.
    assert found == (Rate("product", best=16.0, median=8.0, worst=2.0, repeats=9),)
    assert len(made) == 3


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr("rerankbench.limits.calibration._SIDES", {"cpu": (8, 16)})
    monkeypatch.setattr("rerankbench.limits.calibration._TALL", {"cpu": ((16, 4, 8),)})
    monkeypatch.setattr("rerankbench.limits.calibration._NUMBERS", {"cpu": 1024})


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_processor_is_calibrated(dtype: str) -> None:
    import torch

    found = calibrate(dtype, "cpu", seconds=0.0)
    assert [rate.what for rate in found.products] == ["product 8 x 8 x 8", "product 16 x 16 x 16", "product 16 x 4 x 8"]
    assert [rate.what for rate in found.transfers] == ["copy", "triad", "read"]
    assert all(rate.best >= rate.median >= rate.worst > 0 and rate.repeats == 9 for rate in (*found.products, *found.transfers))
    assert (found.dtype, found.threads, found.torch) == (dtype, torch.get_num_threads(), torch.__version__)
    assert found.device == f"{hardware()['cpu']}, {hardware()['cores']} cores"
    assert here("cpu").has(found)


@pytest.mark.usefixtures("small")
def test_another_device_other_threads_and_another_torch_are_another_state() -> None:
    found = calibrate("float32", "cpu", seconds=0.0)
    assert not here("cpu").has(replace(found, device="Abacus, 4 cores"))
    assert not here("cpu").has(replace(found, threads=found.threads + 1))
    assert not here("cpu").has(replace(found, environment={"packages": {"torch": "0.1"}}))


@pytest.mark.usefixtures("small")
def test_a_device_that_cannot_do_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerankbench.limits.calibration._NUMBERS", {"cpu": 2**55})  # more than any memory
    with pytest.raises(EngineError, match="could not be calibrated in float32"):
        calibrate("float32", "cpu", seconds=0.0)


def test_without_torch_it_is_said_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerankbench.limits.calibration.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="No module named 'torch'"):
        calibrate("float32")
