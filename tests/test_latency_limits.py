"""Limits in the report of latency: measured once a device and type, shown by phase, and a reason where there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from laboratory import QUERIES, experiment, run, write_mirror
from limit_runs import E2RANK_SECONDS, HARDWARE, TINY, call, manifest_of, peaks, write_run
from rerankbench.config import Experiment
from rerankbench.errors import DataError, MeasureError, MissingData, MissingExtra
from rerankbench.experiment import Result
from rerankbench.latency import DevicePeaks, latency_tables
from rerankbench.limits import Here, Peaks, read_peaks, write_peaks
from rerankbench.report import Cell, Status, Table, render
from rerankbench.reporting import FILE_FORMATS, report_of

PLACE = "abacus-4-cores/peaks-float32.json"


class Laboratory:
    """A device that is calibrated at a rate one higher each time."""

    def __init__(self) -> None:
        self.here = Here("Abacus, 4 cores", threads=2, torch="2.0")
        self.calibrations: list[tuple[str, str]] = []

    def calibrate(self, dtype: str, device: str = "auto") -> Peaks:
        self.calibrations.append((dtype, device))
        found = peaks(flops_per_s=1e9 + len(self.calibrations), device=self.here.device, dtype=dtype)
        return replace(found, threads=self.here.threads, environment={"packages": {"torch": self.here.torch}})


@pytest.fixture
def laboratory(monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    made = Laboratory()
    monkeypatch.setattr("rerankbench.latency.peaks.calibrate", made.calibrate)
    monkeypatch.setattr("rerankbench.latency.peaks.here", lambda _: made.here)
    return made


def test_a_device_is_measured_once_a_type(laboratory: Laboratory, tmp_path: Path) -> None:
    measuring = DevicePeaks(tmp_path, measures=True)
    first = measuring.of_run(manifest_of(), "float32")
    assert measuring.of_run(manifest_of(), "float32") == first == read_peaks(tmp_path / PLACE)
    measuring.of_run(manifest_of(engine={**TINY, "device": "cpu"}), "bfloat16")
    assert laboratory.calibrations == [("float32", "auto"), ("bfloat16", "cpu")]
    kept, damaged = measuring.kept("abacus-4-cores")
    assert ([of.dtype for of in kept], damaged) == (["bfloat16", "float32"], [])


@pytest.mark.parametrize("now", [{"threads": 8}, {"torch": "2.1"}])
def test_other_threads_and_another_torch_are_measured_again(laboratory: Laboratory, tmp_path: Path, now: dict[str, Any]) -> None:
    measuring = DevicePeaks(tmp_path, measures=True)
    first = measuring.of_run(manifest_of(), "float32")
    laboratory.here = replace(laboratory.here, **now)
    again = measuring.of_run(manifest_of(), "float32")
    assert again.flops_per_s == first.flops_per_s + 1
    assert read_peaks(tmp_path / PLACE) == again


def test_a_run_of_another_device_takes_what_was_measured_there(laboratory: Laboratory, tmp_path: Path) -> None:
    laboratory.here = replace(laboratory.here, device="H100")
    measuring = DevicePeaks(tmp_path, measures=True)
    with pytest.raises(MeasureError, match="made on Abacus, 4 cores, and this is H100"):
        measuring.of_run(manifest_of(), "float32")
    write_peaks(peaks(), tmp_path / PLACE)
    assert measuring.of_run(manifest_of(), "float32") == peaks()
    assert laboratory.calibrations == []


def test_without_torch_what_is_kept_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> Here:
        raise MissingExtra("A calibration", "transformers", "No module named 'torch'")

    monkeypatch.setattr("rerankbench.latency.peaks.here", absent)
    asked, results = _a_model_and_none(tmp_path)
    measuring = DevicePeaks(tmp_path, measures=True)
    limit = _cells(latency_tables(asked, results, tmp_path / "runs", measuring)["limits"])["E2Rank-lexical", "overall"]["limit-s"]
    assert limit.status is Status.MISSING
    assert "No module named 'torch'" in limit.reason
    assert limit.hint == "pip install 'rerankbench[transformers]'"
    write_peaks(peaks(), tmp_path / PLACE)
    assert measuring.of_run(manifest_of(), "float32") == peaks()


def test_the_processor_of_a_host_with_gpus_has_peaks_of_its_own(laboratory: Laboratory, tmp_path: Path) -> None:
    measuring = DevicePeaks(tmp_path, measures=True)
    hardware = {"hardware": {**HARDWARE, "gpus": ["H100"]}}
    measuring.of_run(manifest_of(engine={**TINY, "device": "cpu"}, environment=hardware), "float32")
    laboratory.here = replace(laboratory.here, device="H100", threads=0)
    measuring.of_run(manifest_of(environment=hardware), "float32")
    found = {path.name: read_peaks(path).device for path in (tmp_path / "h100").iterdir()}
    assert found == {"peaks-cpu-float32.json": "Abacus, 4 cores", "peaks-float32.json": "H100"}


def test_a_report_measures_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    stored = DevicePeaks(tmp_path)
    with pytest.raises(MissingData, match="What Abacus, 4 cores reaches in float32 was not measured") as said:
        stored.of_run(manifest_of(), "float32")
    assert "rerankbench latency" in said.value.hint
    write_peaks(peaks(), tmp_path / PLACE)
    assert stored.of_run(manifest_of(), "float32") == peaks()
    assert laboratory.calibrations == []


def test_several_gpus_have_a_folder_of_their_own(tmp_path: Path) -> None:
    write_peaks(peaks(device="NVIDIA H100"), tmp_path / "2-nvidia-h100" / "peaks-float32.json")
    manifest = manifest_of(environment={"hardware": {**HARDWARE, "gpus": ["NVIDIA H100", "NVIDIA H100"]}})
    assert DevicePeaks(tmp_path).of_run(manifest, "float32").device == "NVIDIA H100"


@pytest.mark.parametrize("measures", [True, False])
@pytest.mark.usefixtures("laboratory")
def test_a_damaged_file_is_named_without_its_folder(tmp_path: Path, measures: bool) -> None:
    (tmp_path / PLACE).parent.mkdir()
    (tmp_path / PLACE).write_bytes(b"{")
    with pytest.raises(DataError, match=r"^peaks-float32\.json: holds no calibration"):
        DevicePeaks(tmp_path, measures=measures).of_run(manifest_of(), "float32")
    kept, damaged = DevicePeaks(tmp_path).kept("abacus-4-cores")
    assert kept == []
    assert [error.message.partition(":")[0] for error in damaged] == ["peaks-float32.json"]


def _a_model_and_none(tmp_path: Path) -> tuple[Experiment, list[Result]]:
    """E2Rank as a model of the tiny shape would have run it, on a device of round numbers; and a ranker that counts words."""
    asked = experiment(tmp_path, "[E2Rank-lexical, RankGPT-lexical]", "depth: 5\nlayout: latency\nbatch_queries: 1")
    e2rank, rankgpt = run(asked, write_mirror(tmp_path / "mirror"), tmp_path / "runs")
    assert e2rank.folder is not None
    assert e2rank.manifest is not None
    made = manifest_of()
    changed = {key: made[key] for key in ("files", "environment", "caveat")}
    changed["identity"] = {**e2rank.manifest["identity"], "engine": made["identity"]["engine"]}
    changed["system"] = {**e2rank.manifest["system"], "engine": TINY}
    manifest = {**e2rank.manifest, **changed}
    calls = (call("encode documents", 50, batch_size=5), call("encode prompt", 30))
    folder = write_run(tmp_path / "written", manifest, calls, E2RANK_SECONDS, QUERIES)
    journal = [orjson.loads(line) for line in (folder / "rankings.jsonl").read_bytes().splitlines()]
    lines = [orjson.dumps({**one, "doc_ids": [f"d{n}" for n in range(1, 6)]}) + b"\n" for one in journal]
    (e2rank.folder / "rankings.jsonl").write_bytes(b"".join(lines))
    for name in ("manifest.json", "spans.jsonl"):
        (e2rank.folder / name).write_bytes((folder / name).read_bytes())
    return asked, [replace(e2rank, manifest=manifest), rankgpt]


def _cells(table: Table) -> dict[tuple[str, str], dict[str, Cell]]:
    return {(row.system, row.label): {cell.column: cell for cell in row.cells} for row in table.rows}


def test_each_phase_stands_beside_its_limit(tmp_path: Path) -> None:
    asked, results = _a_model_and_none(tmp_path)
    write_peaks(peaks(), tmp_path / PLACE)
    table = latency_tables(asked, results, tmp_path / "runs", DevicePeaks(tmp_path))["limits"]
    cells = _cells(table)
    assert list(cells) == [
        ("E2Rank-lexical", "build prompt"),
        ("E2Rank-lexical", "encode documents (compute)"),
        ("E2Rank-lexical", "encode prompt (compute)"),
        ("E2Rank-lexical", "score (memory)"),
        ("E2Rank-lexical", "the rest"),
        ("E2Rank-lexical", "overall (compute)"),
        ("RankGPT-lexical", "overall"),
    ]
    # 50 tokens in five documents of 10: 2 x 393,216 x 50 operations in the layers, 5 x 55 pairs of 1,024; see limits/test_of_run.py.
    documents_s = (39_321_600 + 275 * 1_024) / 1e9
    # The prompt as there; six vectors of 128 numbers and five scores of four bytes.
    overall_s = documents_s + 0.02406912 + 4 * (6 * 128 + 5) / 1e9
    values = {column: cell.value for column, cell in cells["E2Rank-lexical", "encode documents (compute)"].items()}
    assert values == pytest.approx(
        {
            "limit-s": documents_s,
            "measured-s": 0.05,
            "reached": documents_s / 0.05,
            "beyond-s": 0.05 - documents_s,
            "of-all": (0.05 - documents_s) / 0.1,
        }
    )
    whole = {column: cell.value for column, cell in cells["E2Rank-lexical", "overall (compute)"].items()}
    assert whole["limit-s"] == pytest.approx(overall_s)
    assert whole["of-all"] == pytest.approx(1 - overall_s / 0.1)
    no_device = [cell.value for cell in cells["E2Rank-lexical", "build prompt"].values()]
    assert no_device == pytest.approx([0.0, 0.004, 0.0, 0.004, 0.04])
    assert all(cell.caveat == "random weights" for cell in cells["E2Rank-lexical", "encode documents (compute)"].values())


def test_all_that_was_taken_beyond_the_limits_adds_up(tmp_path: Path) -> None:
    asked, results = _a_model_and_none(tmp_path)
    write_peaks(peaks(), tmp_path / PLACE)
    group = latency_tables(asked, results, tmp_path / "runs", DevicePeaks(tmp_path))["limits"].groups[0]
    for column in range(5):
        if column != 2:  # shares of different times
            *phases, whole = (row.cells[column].value or 0.0 for row in group.rows)
            assert sum(phases) == pytest.approx(whole)


def test_a_system_without_a_limit_says_why_and_is_no_gap_of_the_report(tmp_path: Path) -> None:
    asked, results = _a_model_and_none(tmp_path)
    write_peaks(peaks(), tmp_path / PLACE)
    report = report_of(asked, results, tmp_path / "runs", DevicePeaks(tmp_path))
    limits = report.tables["limits"]
    assert isinstance(limits, Table)
    cells = _cells(limits)["RankGPT-lexical", "overall"]
    assert cells["measured-s"].done
    lacking = [cell for column, cell in cells.items() if column != "measured-s"]
    assert {(cell.status, cell.reason) for cell in lacking} == {
        (Status.REFUSED, "no limit: The engine 'lexical' of this run names no model of a known shape")
    }
    assert report.tables["limits"].exit_code() == 4
    assert report.exit_code() == 0


def test_peaks_that_were_never_measured_are_missing(tmp_path: Path) -> None:
    asked, results = _a_model_and_none(tmp_path)
    table = latency_tables(asked, results, tmp_path / "runs", DevicePeaks(tmp_path))["limits"]
    limit = _cells(table)["E2Rank-lexical", "overall"]["limit-s"]
    assert limit.status is Status.MISSING
    assert limit.reason == "no limit: What Abacus, 4 cores reaches in float32 was not measured"
    assert "rerankbench latency" in limit.hint


def test_without_peaks_to_ask_for_there_is_no_table(tmp_path: Path) -> None:
    asked, results = _a_model_and_none(tmp_path)
    assert "limits" not in latency_tables(asked, results, tmp_path / "runs")


@pytest.mark.parametrize("format_", FILE_FORMATS)
def test_every_format_shows_numbers_and_reasons(tmp_path: Path, format_: Any) -> None:
    asked, results = _a_model_and_none(tmp_path)
    write_peaks(peaks(), tmp_path / PLACE)
    text = render(latency_tables(asked, results, tmp_path / "runs", DevicePeaks(tmp_path))["limits"], format_)
    assert "0.0396" in text  # of 0.0396032 s
    assert "79.2" in text  # per cent of 0.05 s
    assert "names no model of a known shape" in text
    assert "random weights" in text
