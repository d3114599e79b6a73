"""Calibrations are kept as they are, and a file that holds none is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from limit_runs import HARDWARE, peaks
from rerankbench.errors import DataError, MissingData
from rerankbench.limits import Rate, read_peaks, write_peaks
from rerankbench.limits.peaks import device_name


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_peaks(peaks(), tmp_path / "new" / "peaks.json")
    assert read_peaks(tmp_path / "new" / "peaks.json") == peaks()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["peaks.json"]


def test_the_best_of_all_pieces_is_the_peak() -> None:
    from dataclasses import replace

    slower = Rate("product 1 x 1 x 1", best=5e8, median=4.9e8, worst=4.8e8, repeats=3)  # its median is above the other's
    found = replace(peaks(), products=(slower, *peaks().products))
    assert (found.flops_per_s, found.product.what, found.bytes_per_s) == (1e9, "product 2 x 2 x 2", 1e9)


def test_no_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(MissingData) as said:
        read_peaks(tmp_path / "peaks.json")
    assert said.value.hint.startswith("rerankbench limits --calibrate --calibration ")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": "rerankbench calibration 2"}, "its format is 'rerankbench calibration 2'"),
        ({"products": []}, "holds no calibration"),
        ({"products": [{"what": "product"}]}, "holds no calibration"),
        ({"threads": "many"}, "holds no calibration"),
        ({"transfers": [{"what": "read", "best": 0.0, "median": 0.0, "worst": 0.0, "repeats": 3}]}, "a peak is not above 0"),
        ({"environment": None}, "holds no calibration"),
    ],
)
def test_a_file_that_holds_none_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    file = tmp_path / "peaks.json"
    file.write_bytes(orjson.dumps({**peaks().as_data(), **changed}))
    with pytest.raises(DataError, match=said) as raised:
        read_peaks(file)
    assert raised.value.hint == "Calibrate again."


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"3"])
def test_a_torn_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "peaks.json").write_bytes(content)
    with pytest.raises(DataError, match="holds no calibration"):
        read_peaks(tmp_path / "peaks.json")


@pytest.mark.parametrize(
    ("gpus", "device", "name"),
    [
        ([], "auto", "Abacus, 4 cores"),
        (["H100", "A100"], "auto", "H100"),
        (["H100", "A100"], "cuda", "H100"),
        (["H100", "A100"], "cuda:1", "A100"),
        (["H100", "A100"], "cpu", "Abacus, 4 cores"),
    ],
)
def test_a_run_calls_its_device_as_the_calibration_does(gpus: list[str], device: str, name: str) -> None:
    assert device_name({**HARDWARE, "gpus": gpus}, device) == name
