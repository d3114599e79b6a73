"""The limits of a stored run: its calls give the tokens, its spans the seconds, its manifest the shape, the type and the device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from rerankbench import hub
from rerankbench.engines.random_weights import shape_file
from rerankbench.errors import DataError, MeasureError, MissingData, MissingError, MissingWeights, StoreError, UsageError
from rerankbench.limits.calls import Counter, Pieces, part_seconds, texts_twice
from rerankbench.limits.peaks import Peaks, device_name
from rerankbench.limits.roofline import OVERALL, Phase, phases_of
from rerankbench.limits.shape import Shape, read_shape
from rerankbench.limits.work import DTYPE_BYTES
from rerankbench.measures.latency import query_times
from rerankbench.records import Ranked
from rerankbench.store import read_manifest, read_rankings, read_spans

_DRAWN = {"random-weights", "random-weights-vllm"}
_PUBLISHED = {"transformers", "vllm"}
_OF_A_RUN = {"system", "identity", "environment", "answers", "queries"}


@dataclass(frozen=True, slots=True)
class RunLimits:
    """
    Attributes:
        system: Its name.
        phases: Means over `queries`, in the order of the ranker.
        notes: What the numbers are, and what keeps them from being exact.
        caveat: What must be said about the engine.
    """

    system: str
    shape: Shape
    dtype: str
    peaks: Peaks
    queries: int
    phases: tuple[Phase, ...]
    notes: tuple[str, ...] = ()
    caveat: str = ""


def limits_of_run(run: Path, shape: Shape, peaks: Peaks) -> RunLimits:
    """
    Args:
        run: The folder of a complete run whose queries were ranked one at a time.
        shape: Of its model, see `shape_of_run`.

    Raises:
        MissingError: there is no such folder, or its run is not complete.
        StoreError: it is damaged.
        MeasureError: the run tells no latency, its ranker's work is not counted, or it was made on another device or in another type
            than the peaks.
    """
    manifest, ranked = manifest_of(run), read_rankings(run)
    dtype = dtype_of_run(manifest, shape)
    _check_peaks(manifest, dtype, peaks)
    _check_worked(manifest)
    times = query_times(read_spans(run), [one.ranking.query_id for one in ranked])
    if not times:
        raise MeasureError(f"{run}: holds no query.")
    names = dict.fromkeys(name for time in times for name in time.phases)
    measured = {name: math.fsum(time.phases.get(name, 0.0) for time in times) for name in names}
    measured[OVERALL] = math.fsum(time.overall for time in times)
    pieces = _pieces(manifest, ranked, Counter(shape, DTYPE_BYTES[dtype], documents_at_hand=_at_hand(manifest)), measured)
    phases = phases_of(pieces, measured, len(times), peaks, part_seconds(ranked, measured.get("generate", 0.0)))
    notes = tuple(_notes(manifest, ranked, phases))
    return RunLimits(manifest["system"]["name"], shape, dtype, peaks, len(times), tuple(phases), notes, manifest.get("caveat", ""))


def manifest_of(run: Path) -> Mapping[str, Any]:
    """
    Raises:
        UsageError, MissingError, StoreError: as `limits_of_run`.
    """
    if run.is_file():
        raise UsageError(f"{run} is a file: it tells neither tokens nor seconds.", hint="Name a run folder.")
    if not run.is_dir():
        raise MissingData(f"There is no run folder {run}.")
    manifest = read_manifest(run)
    if manifest is None:
        raise MissingError(f"{run} holds no complete run.", hint="rerankbench run goes on where it was stopped.")
    if not manifest.keys() >= _OF_A_RUN:
        raise StoreError(f"{run} holds no run: its manifest does not tell {', '.join(sorted(_OF_A_RUN - manifest.keys()))}.")
    return manifest


def shape_of_run(manifest: Mapping[str, Any]) -> Shape:
    """The shape of a run's model, from the files that its engine was given.

    Raises:
        UsageError: its engine names no model of a known shape.
        MissingWeights: the model is not at hand any more.
        DataError: the file is another one than when the run was made, or as `read_shape`.
    """
    engine = _engine(manifest)
    if engine.get("kind") in _DRAWN:
        file = shape_file(engine["shape"])
        expected = manifest["identity"]["engine"].get("shape_sha256")
        if sha256(file.read_bytes()).hexdigest() != expected:
            raise DataError(f"{file}: not the shape that this run was made with.", hint="Name that one: --shape FILE")
        return read_shape(file, engine["shape"])
    if engine.get("kind") in _PUBLISHED:
        return read_shape(_config_at_hand(engine["model"], manifest["identity"]["engine"]), engine["model"])
    raise UsageError(
        f"The engine {engine.get('kind', 'none')!r} of this run names no model of a known shape.",
        hint="Where there is one: rerankbench limits RUN --shape FILE",
    )


def _config_at_hand(model: str, identity: Mapping[str, Any]) -> Path:
    """Nothing is downloaded for it: a shape is no reason to fetch weights.

    Raises:
        MissingWeights: it is not here.
    """
    folder = Path(model) if Path(model).is_dir() else hub.snapshot_folder(model, str(identity.get("hub_commit")), "model")
    if not (folder / "config.json").is_file():
        raise MissingWeights(
            f"The config.json of the model {model!r} is not at hand.", hint="Where it is: rerankbench limits RUN --shape FILE"
        )
    return folder / "config.json"


def dtype_of_run(manifest: Mapping[str, Any], shape: Shape) -> str:
    """In which type the model was run: as its engine was told to, else as its weights are stored.

    Raises:
        MeasureError: neither is known.
    """
    asked = _engine(manifest).get("dtype", "auto")
    dtype = shape.dtype if asked == "auto" else asked
    if dtype not in DTYPE_BYTES:
        raise MeasureError(f"The type of the weights is {dtype or 'not known'!r}, expected one of {', '.join(DTYPE_BYTES)}.")
    return str(dtype)


def _engine(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", manifest["system"]["engine"] or {})


def device_of_run(manifest: Mapping[str, Any]) -> str:
    """What a calibration of the run's device would call it."""
    return device_name(manifest["environment"]["hardware"], _engine(manifest).get("device", "auto"))


def _at_hand(manifest: Mapping[str, Any]) -> bool:
    return bool((manifest["identity"].get("timed") or {}).get("as") == "documents-warm")


def _check_peaks(manifest: Mapping[str, Any], dtype: str, peaks: Peaks) -> None:
    device = device_of_run(manifest)
    if (device, dtype) != (peaks.device, peaks.dtype):
        raise MeasureError(
            f"The run was made on {device} in {dtype}, the calibration on {peaks.device} in {peaks.dtype}.",
            hint=f"There: rerankbench limits --calibrate --dtype {dtype} --calibration FILE",
        )


def _check_worked(manifest: Mapping[str, Any]) -> None:
    """Raises: MeasureError: some of what was asked took no work, or more devices than one did it."""
    engine = _engine(manifest)
    if engine.get("prefix_caching"):
        raise MeasureError("The engine kept the beginnings of prompts (prefix_caching): how much it had to read is not known.")
    if engine.get("tensor_parallel", 1) > 1:
        raise MeasureError("The model was split over several devices, and a calibration is of one.")
    sources = ("memory", "disk") if _at_hand(manifest) else ("memory", "disk", "preloaded")
    kept = sum(counts[source] for counts in manifest["answers"].values() for source in sources)
    if kept:
        raise MeasureError(f"{kept:,} answers were kept from elsewhere and took no work.", hint="layout: latency keeps none.")


def _pieces(manifest: Mapping[str, Any], ranked: Sequence[Ranked], counter: Counter, measured: Mapping[str, float]) -> Pieces:
    """Raises: MeasureError: of this ranker nothing is counted, or its calls are in no span."""
    ranker = manifest["system"]["ranker"]
    if ranker["kind"] == "embedding":
        pieces = counter.embedding(ranked)
    elif ranker["kind"] == "listwise":
        pieces = counter.listwise(ranked, "score" if ranker["decoding"] == "first-token" else "generate")
    else:
        raise MeasureError(f"The work of the ranker {ranker['kind']!r} is not counted; that of embedding and listwise is.")
    untimed = sorted(pieces.keys() - measured.keys())
    if untimed:
        raise MeasureError(f"The run has no seconds of {', '.join(map(repr, untimed))}.")
    return pieces


def _notes(manifest: Mapping[str, Any], ranked: Sequence[Ranked], phases: Sequence[Phase]) -> Iterator[str]:
    if manifest["system"]["ranker"]["kind"] == "embedding":
        yield "the documents of a list are taken to be equally long, which needs the least attention"
        if not _at_hand(manifest) and (twice := texts_twice(ranked)):
            yield f"{twice:,} documents had the text of another one and were not encoded again: taken to be of mean length"
    beyond = [phase.name for phase in phases if (phase.share or 0) > 1]
    if beyond:
        yield (
            f"beyond the limit: {', '.join(beyond)}. The calibration is no peak here: the machine was busier then, or what is read"
            " again stays in a cache that the calibration does not fit into; calibrate again while it is quiet"
        )
    if manifest.get("queries_before_last_start"):
        yield f"stopped after {manifest['queries_before_last_start']} of {manifest['queries']} queries and continued"
