"""How near a run comes to what its device could do: the work that nothing can do without, measured peaks, and the time between."""

from rerankbench.limits.calibration import Here, calibrate, here
from rerankbench.limits.of_run import RunLimits, device_of_run, dtype_of_run, limits_of_run, manifest_of, shape_of_run
from rerankbench.limits.peaks import Peaks, Rate, read_peaks, write_peaks
from rerankbench.limits.rendering import (
    HEADINGS,
    METHOD,
    about_model,
    about_peaks,
    context,
    render_csv,
    render_markdown,
    rows,
    title,
    to_json,
)
from rerankbench.limits.roofline import OVERALL, Limit, Phase, limit_of, phases_of
from rerankbench.limits.shape import Shape, read_shape, shape_from
from rerankbench.limits.work import Work, cosines, decode, even_lengths, pooled, prefill, total

__all__ = [
    "HEADINGS",
    "METHOD",
    "OVERALL",
    "Here",
    "Limit",
    "Peaks",
    "Phase",
    "Rate",
    "RunLimits",
    "Shape",
    "Work",
    "about_model",
    "about_peaks",
    "calibrate",
    "context",
    "cosines",
    "decode",
    "device_of_run",
    "dtype_of_run",
    "even_lengths",
    "here",
    "limit_of",
    "limits_of_run",
    "manifest_of",
    "phases_of",
    "pooled",
    "prefill",
    "read_peaks",
    "read_shape",
    "render_csv",
    "render_markdown",
    "rows",
    "shape_from",
    "shape_of_run",
    "title",
    "to_json",
    "total",
    "write_peaks",
]
