"""How every figure looks: sizes, text, colours with their shapes, dashes and hatches, and how its files come out the same each time.

Sizes are final: a figure is printed as it is, so that its smallest text is `SMALL` points. Knows no data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, filterwarnings

from rerankbench.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
COLUMN_IN = 3.4
"""Width of one column of a two-column page, in inches."""
PAGE_IN = 6.9
"""Width of such a page's text."""
TEXT = 8.0
"""Points of titles and labels."""
SMALL = 7.0
"""Points of ticks, legends and captions: nothing is smaller."""
HINTED = 1.02
"""How much wider a line can come out than its letters are: in a PNG they stand at whole pixels."""
INK = "#000000"
QUIET = "#595959"
"""Of lines and words that stand back, at a contrast of 7 to 1."""
# Okabe and Ito, Color Universal Design (2008), in an order whose first three differ in grey by ten steps of lightness and more.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
Dash = tuple[float, tuple[float, ...] | None]
DASHES: tuple[Dash, ...] = ((0, None), (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
LEVELS: tuple[Dash, ...] = ((0, (6, 2)), (0, (1.2, 1.6)), (0, (6, 1.5, 1.2, 1.5)), (0, (2.5, 1.2)))
"""Dashes of horizontal lines, which have no marker."""
PAPER_HATCH = "////"
"""Fills what the paper prints; what was measured here is solid."""
STYLE: Any = {  # matplotlib types the keys one by one
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": TEXT,
    "figure.titlesize": TEXT + 1,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 2.6,  # a whole period of every dash
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "rerankbench",  # else every drawing of the same data has other ids
    "svg.fonttype": "none",  # text stays text: searchable, and set in the reader's font where DejaVu is missing
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
    "text.parse_math": False,  # a name may hold dollar signs
    "figure.dpi": 200,  # of the PNG, and of what is measured while it is laid out
    "savefig.dpi": 200,
}
_UNDATED: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


@dataclass(frozen=True, slots=True)
class Look:
    """What tells one series from the others: by colour, and without colour by shape and dash."""

    colour: str
    marker: str
    dash: Dash


def look(position: int) -> Look:
    """The look of a figure's n-th series; 84 differ from each other."""
    return Look(COLOURS[position % len(COLOURS)], MARKERS[position % len(MARKERS)], DASHES[position % len(DASHES)])


@contextmanager
def styled() -> Iterator[None]:
    """Within, matplotlib draws in this style, whatever the user's own settings are.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib import style
    except ImportError as error:
        raise MissingExtra("a figure", "figures", str(error)) from error
    with style.context(STYLE, after_reset=True), catch_warnings():
        # DejaVu lacks some scripts: the PNG then shows boxes, while the SVG and the CSV hold the text itself.
        filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save(drawn: Figure, folder: Path) -> list[Path]:
    """Write ``figure.svg`` and so on; the same drawing gives the same bytes. To be called within `styled`."""
    paths = [folder / f"figure.{format_}" for format_ in FORMATS]
    for path, format_ in zip(paths, FORMATS, strict=True):
        drawn.savefig(path, format=format_, metadata=_UNDATED.get(format_, {}))
    return paths


def wrapped(text: str, width_in: float, size: float, lines: int | None = None) -> str:
    """Text broken into lines that are as wide as `width_in` inches at most when set in `size` points.

    Args:
        lines: How many lines at most; what is over ends in ``…``.
    """
    made: list[str] = []
    for paragraph in text.split("\n"):
        made += _broken(paragraph, width_in * 72, size)
    if lines is not None and len(made) > lines:
        made = [*made[: lines - 1], _shortened(made[lines - 1] + "…", width_in * 72, size)]
    return "\n".join(made)


def width_of(text: str, size: float) -> float:
    """How wide one line is, in inches."""
    return _points(text, size) / 72


def _broken(text: str, width: float, size: float) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if _points(longer, size) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, width, size)
        lines += whole
    return [*lines, line]


def _pieces(word: str, width: float, size: float) -> list[str]:
    """One word, cut where it is wider than a line."""
    pieces = [""]
    for character in word:
        if pieces[-1] and _points(pieces[-1] + character, size) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _shortened(line: str, width: float, size: float) -> str:
    while len(line) > 1 and _points(line, size) > width:
        line = line[:-2] + "…"
    return line


def _points(text: str, size: float) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    return (
        float(text_to_path.get_text_width_height_descent(text, FontProperties(family="DejaVu Sans", size=size), ismath=False)[0]) * HINTED
    )
