"""Limits on the command line: of a run that is at hand, measured or with a calibration, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import orjson
import pytest

from cli.calling import Caller
from limit_runs import LISTWISE, RANKQWEN3, RANKQWEN3_SECONDS, manifest_of, peaks, write_run
from rerankbench.limits import read_peaks, write_peaks

# As in tests/limits/test_of_run.py: 20 tokens in two documents, 30 in the prompt, three vectors and two scores.
OVERALL_S = (15_728_640 + 112_640 + 23_592_960 + 476_160 + 4 * (3 * 128 + 2)) / 1e9


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    write_peaks(peaks(), tmp_path / "peaks.json")
    return tmp_path / "peaks.json"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_a_run_is_shown_with_all_that_its_numbers_are(call: Caller, run: Path, kept: Path) -> None:
    done = call("limits", run, "--calibration", kept)
    assert done.code == 0, done.err
    words = " ".join(done.out.split())
    assert "Some-tiny: the limit of Abacus, 4 cores" in words
    # 0.0158 of 0.05 s; 0.0342 s beyond, of 0.1 s in all
    assert "encode documents 15.8 M 1.59 M compute 0.0158 0.0500 31.7 % 0.0342 34.2 %" in words
    assert "random weights" in words
    assert "measured on Abacus, 4 cores, 2 threads: 1 GFLOP/s in float32 (product 2 x 2 x 2; median 500 M)" in words


def test_programs_read_the_same(call: Caller, run: Path, kept: Path) -> None:
    found = call("limits", run, "--calibration", kept, "--json").data()
    assert (found["system"], found["queries"], found["dtype"], found["files"]) == ("Some-tiny", 1, "float32", [])
    phases = {phase["phase"]: phase for phase in found["phases"]}
    assert phases["overall"]["limit_s"] == pytest.approx(OVERALL_S)
    assert phases["overall"]["share"] == pytest.approx(OVERALL_S / 0.1)
    assert phases["overall"]["gap_of_overall"] == pytest.approx(1 - OVERALL_S / 0.1)
    assert (phases["build prompt"]["share"], phases["build prompt"]["gap_s"]) == (None, pytest.approx(0.004))


def test_files_have_the_same_numbers(call: Caller, run: Path, kept: Path, tmp_path: Path) -> None:
    done = call("limits", run, "--calibration", kept, "--reports", tmp_path / "new" / "folder", "--json")
    folder = tmp_path / "new" / "folder"
    assert done.data()["files"] == [str(folder / name) for name in ("limits.md", "limits.csv", "limits.json")]
    with (folder / "limits.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["phase"]: row for row in csv.DictReader(file)}
    assert float(rows["overall"]["limit_s"]) == pytest.approx(OVERALL_S)
    assert orjson.loads((folder / "limits.json").read_bytes())["phases"] == done.data()["phases"]
    page = (folder / "limits.md").read_text(encoding="utf-8")
    assert "| encode documents | 15.8 M | 1.59 M | compute | 0.0158 | 0.0500 | 31.7 % | 0.0342 | 34.2 % |" in page
    assert "**random weights**" in page


def test_parts_of_a_listwise_phase_are_marked(call: Caller, kept: Path, tmp_path: Path) -> None:
    done = call("limits", write_run(tmp_path / "list", manifest_of(LISTWISE), RANKQWEN3, RANKQWEN3_SECONDS), "--calibration", kept)
    assert done.code == 0, done.err
    assert "· writing answers" in done.out


def test_a_calibration_is_made_kept_and_shown(call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr("rerankbench.limits.calibration._SIDES", {"cpu": (8,)})
    monkeypatch.setattr("rerankbench.limits.calibration._TALL", {"cpu": ()})
    monkeypatch.setattr("rerankbench.limits.calibration._NUMBERS", {"cpu": 64})
    file = tmp_path / "new" / "peaks.json"
    done = call("limits", "--calibrate", "--device", "cpu", "--calibration", file)
    assert done.code == 0, done.err
    assert "product 8 x 8 x 8" in done.out
    assert "triad" in done.out
    assert read_peaks(file).dtype == "float32"
    found = call("limits", "--calibrate", "--device", "cpu", "--dtype", "bfloat16", "--json").data()
    assert (found["dtype"], found["file"], found["flops_per_s"]) == ("bfloat16", None, found["products"][0]["best"])


def test_peaks_of_another_device_or_type_are_refused(call: Caller, run: Path, tmp_path: Path) -> None:
    for name, other in {"device": peaks(device="H100"), "type": peaks(dtype="bfloat16")}.items():
        write_peaks(other, tmp_path / f"{name}.json")
        done = call("limits", run, "--calibration", tmp_path / f"{name}.json")
        assert done.code == 1
        assert "The run was made on Abacus, 4 cores in float32, the calibration on" in done.err


def test_queries_together_are_refused(call: Caller, kept: Path, tmp_path: Path) -> None:
    done = call("limits", write_run(tmp_path / "both", queries=("q1", "q2"), together=True), "--calibration", kept)
    assert done.code == 1
    assert "2 queries at a time: throughput, not latency" in done.err


def test_what_is_not_at_hand_is_missing(call: Caller, run: Path, kept: Path, tmp_path: Path) -> None:
    assert call("limits", run, "--calibration", tmp_path / "none.json").code == 3
    (run / "manifest.json").unlink()
    done = call("limits", run, "--calibration", kept)
    assert done.code == 3
    assert "holds no complete run" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Neither a RUN nor --calibrate"),
        (["run"], "What the device reaches is not known"),
        (["run", "--calibration", "peaks.json", "--dtype", "float32"], "say what --calibrate measures"),
        (["--calibrate", "--shape", "qwen3-8b"], "are for the limits of a RUN"),
    ],
)
@pytest.mark.usefixtures("run", "kept")
def test_options_that_do_not_fit_are_refused(call: Caller, arguments: list[str], said: str) -> None:
    done = call("limits", *arguments)
    assert done.code == 2
    assert said in done.err


def test_a_damaged_calibration_is_an_error(call: Caller, run: Path, kept: Path) -> None:
    kept.write_bytes(kept.read_bytes().replace(b"calibration 1", b"calibration 9"))
    done = call("limits", run, "--calibration", kept)
    assert done.code == 1
    assert "its format is 'rerankbench calibration 9'" in done.err
