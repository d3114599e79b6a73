"""``rerankbench limits``: what a device could do at best, measured, and how near a run comes to it, phase by phase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rerankbench.cli.options import Json
from rerankbench.cli.output import print_json, print_table
from rerankbench.errors import UsageError

if TYPE_CHECKING:
    from rerankbench.limits import Peaks, RunLimits


def limits(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", show_default=False, help="The folder of a run with one query at a time.")
    ] = None,
    shape: Annotated[
        str, typer.Option("--shape", metavar="S", help="qwen3-0.6b, qwen3-4b, qwen3-8b, or a config.json.  [default: of the run's model]")
    ] = "",
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", metavar="FILE", show_default=False, help="Peaks of the device, as --calibrate writes them."),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--calibrate", help="Measure the peaks of this device now, a few seconds; --calibration keeps them.")
    ] = False,
    dtype: Annotated[
        Literal["float32", "float16", "bfloat16"] | None,
        typer.Option("--dtype", help="Of the products that --calibrate measures.  [default: that of RUN, or float32]"),
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="D", help="What --calibrate measures: auto, cpu, cuda or cuda:N.")] = "auto",
    reports: Annotated[
        Path | None, typer.Option("--reports", metavar="DIR", show_default=False, help="Also write limits.md, .csv and .json there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how long a run's work takes at least on its device, how long it took, and where the rest went.

    The exit code is 1 where the run tells no latency, its work is not counted, or the calibration is of another device or type.

    Examples:

        rerankbench limits --calibrate --dtype bfloat16 --calibration peaks.json

        rerankbench limits runs/trec-covid/bm25/E2Rank-0.6B-0123456789ab --calibration peaks.json

        rerankbench limits runs/trec-covid/bm25/RankQwen3-0.6B-0123456789ab --calibrate --shape qwen3-0.6b --json
    """
    if run is None:
        _calibrate_alone(measure, shape, calibration, dtype or "float32", device, reports, as_json)
        return
    if not measure and (dtype or device != "auto"):
        raise UsageError("--dtype and --device say what --calibrate measures, and it is not asked for.")
    if not measure and calibration is None:
        raise UsageError("What the device reaches is not known.", hint="Name a file: --calibration FILE, or measure it now: --calibrate")
    found = _found(run, shape, calibration, dtype, device, measure=measure)
    written = [] if reports is None else _write(found, reports)
    if as_json:
        from rerankbench.limits import to_json

        print_json({**to_json(found), "files": [str(path) for path in written]})
    else:
        _print(found)
        for path in written:
            typer.echo(f"Written: {path}")


def _calibrate_alone(
    measure: bool, shape: str, calibration: Path | None, dtype: str, device: str, reports: Path | None, as_json: bool
) -> None:
    if not measure:
        raise UsageError("Neither a RUN nor --calibrate: there is nothing to do.", hint="rerankbench limits --calibrate --calibration FILE")
    if shape or reports is not None:
        raise UsageError("--shape and --reports are for the limits of a RUN, and there is none.")
    peaks = _calibrated(dtype, device, calibration)
    if as_json:
        print_json({**peaks.as_data(), "file": None if calibration is None else str(calibration)})
    else:
        _print_peaks(peaks)
        if calibration is not None:
            typer.echo(f"Written: {calibration}")


def _found(run: Path, shape: str, calibration: Path | None, dtype: str | None, device: str, *, measure: bool) -> RunLimits:
    from rerankbench.engines.random_weights import shape_file
    from rerankbench.limits import dtype_of_run, limits_of_run, manifest_of, read_peaks, read_shape, shape_of_run

    manifest = manifest_of(run)
    model = read_shape(shape_file(shape), shape) if shape else shape_of_run(manifest)
    if measure:
        return limits_of_run(run, model, _calibrated(dtype or dtype_of_run(manifest, model), device, calibration))
    if calibration is None:
        raise UsageError("What the device reaches is not known.")
    return limits_of_run(run, model, read_peaks(calibration))


def _calibrated(dtype: str, device: str, keep_in: Path | None) -> Peaks:
    from rerankbench.limits import calibrate, write_peaks

    peaks = calibrate(dtype, device)
    if keep_in is not None:
        write_peaks(peaks, keep_in)
    return peaks


def _write(found: RunLimits, folder: Path) -> list[Path]:
    import orjson

    from rerankbench.limits import render_csv, render_markdown, to_json

    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "limits.md": render_markdown(found).encode(),
        "limits.csv": render_csv(found).encode(),
        "limits.json": orjson.dumps(to_json(found), option=orjson.OPT_INDENT_2) + b"\n",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


def _print(found: RunLimits) -> None:
    from rerankbench.limits import HEADINGS, context, rows, title

    print_table(HEADINGS, rows(found), right=HEADINGS[1:], title=title(found))
    for line in filter(None, (found.caveat, *context(found))):
        typer.echo(line)


def _print_peaks(peaks: Peaks) -> None:
    from rerankbench.latency.device_page import PEAK_HEADINGS, peak_rows

    threads = f", {peaks.threads} threads" if peaks.threads else ""
    title = f"{peaks.device}{threads}, products in {peaks.dtype}"
    print_table(PEAK_HEADINGS, peak_rows(peaks), right=PEAK_HEADINGS[1:], title=title)
