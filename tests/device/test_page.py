"""The page of a device, in Markdown and as data."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from limit_runs import peaks
from rerankbench.device import Fact, Section
from rerankbench.latency import write_device_page

SECTIONS = (Section("GPU 0", (Fact("memory", 80.0, "GiB"), Fact("MIG", absent="NVML: Not_Supported"))),)


def test_facts_and_peaks_stand_on_one_page(tmp_path: Path) -> None:
    files = write_device_page(tmp_path / "new", "Abacus", SECTIONS, [peaks(), peaks(dtype="bfloat16", flops_per_s=4e12)])
    assert [file.name for file in files] == ["device.md", "device.json"]
    page = files[0].read_text(encoding="utf-8")
    assert page.startswith(
        "# Abacus\n\n## GPU 0\n\n| what | value |\n| --- | --- |\n| memory | 80.0 GiB |\n| MIG | (NVML: Not\\_Supported) |\n"
    )
    assert "## What it reaches in float32, 2 threads" in page
    assert "| product 2 x 2 x 2 | 1 GFLOP/s | 500 MFLOP/s | 250 MFLOP/s | 9 |" in page
    assert "| product 2 x 2 x 2 | 4 TFLOP/s | 2 TFLOP/s | 1 TFLOP/s | 9 |" in page
    assert "| read | 1 GB/s | 500 MB/s | 250 MB/s | 9 |" in page
    data = orjson.loads(files[1].read_bytes())
    assert data["facts"]["GPU 0"]["memory"] == {"value": 80.0, "unit": "GiB"}
    assert [of["flops_per_s"] for of in data["peaks"]] == [1e9, 4e12]
    assert (data["device"], data["flaws"]) == ("Abacus", [])


@pytest.mark.parametrize(("flaws", "said"), [((), "No peaks were measured: "), (("peaks-float32.json: damaged",), "peaks-float32.json: d")])
def test_a_page_without_peaks_says_why(tmp_path: Path, flaws: tuple[str, ...], said: str) -> None:
    page = write_device_page(tmp_path, "Abacus", SECTIONS, [], flaws)[0].read_text(encoding="utf-8")
    assert page.splitlines()[-1].startswith(said)
