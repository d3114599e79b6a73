"""What the paper's numbers are held against, as data: `known.yaml` (figures, differences, names) and `text.yaml` (the running text)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

from rerankbench.config import Options, read_yaml, validate


class SameColumn(Options):
    """A column of rows with one variant that is another column elsewhere."""

    variant: str
    column: str
    as_variant: str
    as_column: str


class Weighted(Options):
    table: str
    column: str
    weights: dict[str, int]


class Sum(Options):
    table: str
    column: str
    parts: tuple[str, ...]


class Published(Options):
    """Figures of one row by another hand.

    Attributes:
        first_stage: Of the columns that they are for, in a table whose columns differ in it.
        figures: Column → value in percent points.
        tolerance: How far off an honest repetition may be, in percent points.
    """

    tables: tuple[str, ...]
    row: str
    first_stage: str = ""
    figures: dict[str, float]
    tolerance: float
    source: str


class Peers(Options):
    table: str
    source: str


class Exchange(Options):
    left: str
    right: str


class Pair(Options):
    row: str
    minus: str
    printed: tuple[str, ...]


class Differences(Options):
    table: str
    columns: tuple[str, ...]
    pairs: tuple[Pair, ...]


class Statement(Options):
    """A statement of the text over cells, each written table/row/variant/column.

    Attributes:
        check: ``equal``: the cell prints `value`. ``difference``: the first less the second is `value`.
            ``rising``: each cell is above the one before. ``largest-ratio``: of the pairs of cells, the first has the largest quotient.
    """

    where: str
    says: str
    check: Literal["equal", "difference", "rising", "largest-ratio"]
    cells: tuple[str, ...]
    value: str = ""
    means: str = ""


class Contradiction(Options):
    """Two places of the text that cannot both be right, read by eye."""

    table: str
    row: str
    column: str
    printed: str
    other: str
    means: str


class Text(Options):
    statements: tuple[Statement, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()


class Known(Options):
    """All but the text; the keys are explained in `known.yaml`."""

    first_stages: dict[str, str] = {}
    variants: dict[str, str] = {}
    settings: dict[str, dict[str, str]] = {}
    same_column: tuple[SameColumn, ...] = ()
    weighted: tuple[Weighted, ...] = ()
    sums: tuple[Sum, ...] = ()
    published: tuple[Published, ...] = ()
    peers: tuple[Peers, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    average: str = ""
    retrieval_tables: tuple[str, ...] = ()
    differences: tuple[Differences, ...] = ()


@functools.cache
def load_known() -> Known:
    """What comes with the package.

    Raises:
        ConfigError: the file is damaged.
    """
    file = read_yaml(Path(__file__).with_name("known.yaml"))
    return validate(Known, file.data, file.place)


@functools.cache
def load_text() -> Text:
    """What comes with the package.

    Raises:
        ConfigError: the file is damaged.
    """
    file = read_yaml(Path(__file__).with_name("text.yaml"))
    return validate(Text, file.data, file.place)
