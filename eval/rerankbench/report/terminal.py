"""Tables for a terminal of any width: columns that do not fit go to a further block below, and no number is ever cropped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from rerankbench.reference.verdict import Verdict
from rerankbench.report.appendix import Appendix, Note, appendix
from rerankbench.report.cells import Cell, Status
from rerankbench.report.sheet import Sheet, experiment_sheets
from rerankbench.report.table import Table
from rerankbench.report.text import Shape, Words, beneath, column_label, counted, legend, row_label, words

_STYLES: Mapping[Verdict | None, str] = {Verdict.MATCH: "green", Verdict.CLOSE: "cyan", Verdict.DIFFERENT: "yellow"}
_ASCII = str.maketrans(
    {
        "▲": "+",
        "▼": "-",
        "≈": "~",
        "≠": "!",
        "–": "-",
        "—": "-",
        "≥": ">",
        "≤": "<",
        "→": ">",
        "·": ".",
        "×": "x",
        "’": "'",
        "“": '"',
        "”": '"',
    }
)
_GAP = 2  # the divider of the box, which is a blank, and one blank of padding
_WIDEST_LABEL = 32


def render_terminal(table: Table, shape: Shape = "paper") -> TerminalTable:
    """What a rich console prints for a table; it asks the console for its width and whether it can do more than ASCII."""
    return TerminalTable(table, shape)


@dataclass(frozen=True, slots=True)
class TerminalTable:
    """A table that fits itself to the console it is printed on."""

    table: Table
    shape: Shape

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        under = appendix(self.table)
        writer = _Writer(self.table, under, options.max_width, options.ascii_only)
        yield writer.text(self.table.title, "bold")
        for line in self.table.context:
            yield writer.text(line, "dim")
        yield from writer.paper() if self.shape == "paper" else writer.experiment()
        yield Text("")
        yield from writer.below(legend(self.table, under, flags=self.shape == "paper"))


@dataclass(frozen=True, slots=True)
class _Writer:
    table: Table
    under: Appendix
    width: int
    ascii_only: bool

    def text(self, string: str, style: str = "") -> Text:
        return Text(as_ascii(string) if self.ascii_only else string, style=style, overflow="fold")

    def paper(self) -> Iterator[Text | Grid]:
        plans = [_Plan.of(self.table, c, self.under) for c in range(len(self.table.columns))]
        emphasis = self.table.emphasis()
        for page in self._pages([plan.width for plan in plans]):
            grid = self._grid("", [plans[c].header() for c in page], [plans[c].width for c in page])
            position = 0
            for group in self.table.groups:
                if group.label:
                    grid.add_row(self.text(group.label, "italic"))
                for row in group.rows:
                    styles = [_style(row.cells[c], emphasis.get((position, c), "")) for c in page]
                    self._paper_row(grid, row_label(row), {c: plans[c].words[position] for c in page}, plans, styles)
                    position += 1
                grid.add_section()
            yield Text("")
            yield grid

    def _paper_row(self, grid: Grid, label: str, said: Mapping[int, Words], plans: Sequence[_Plan], styles: Sequence[str]) -> None:
        ours = [self.text(plans[c].ours(w), style) for (c, w), style in zip(said.items(), styles, strict=True)]
        grid.add_row(self.text(label), *ours)
        for heading, texts in beneath(list(said.values())):
            grid.add_row(self.text(f"  {heading}", "dim"), *(self.text(plans[c].below(t), "dim") for c, t in zip(said, texts, strict=True)))

    def experiment(self) -> Iterator[Text | Grid]:
        for sheet in experiment_sheets(self.table, self.under):
            yield Text("")
            yield self.text(sheet.heading, "bold")
            yield from self._sheet(sheet)

    def _sheet(self, sheet: Sheet) -> Iterator[Grid]:
        plan = _Plan.fit(sheet.measure, tuple(line.said for line in sheet.lines), under=False)
        widths = [plan.width, *(max(len(h), *(len(line.parts[i]) for line in sheet.lines)) for i, h in enumerate(sheet.columns))]
        for page in self._pages(widths):
            grid = self._grid("system", [(plan.header(), *sheet.columns)[i] for i in page], [widths[i] for i in page])
            for line in sheet.lines:
                parts = (plan.ours(line.said), *(part.rjust(width) for part, width in zip(line.parts, widths[1:], strict=True)))
                grid.add_row(self.text(line.label), *(self.text(parts[i]) for i in page), style="" if line.cell.done else "dim")
            yield grid

    def below(self, explained: str) -> Iterator[Text | Padding]:
        if explained:
            yield self.text(explained, "dim")
        for line in self.under.verdicts:
            yield self.text(line, "bold")
        if self.under.complete:
            yield self.text(self.under.complete, "bold red")
        yield from self._notes("Missing", self.under.missing)
        yield from self._notes("Notes", self.under.remarks)
        for heading, lines in self.under.lists():
            yield Text("")
            yield self.text(heading, "bold")
            yield from (self._indented(line, 2) for line in lines)

    def _notes(self, heading: str, notes: Sequence[Note]) -> Iterator[Text | Padding]:
        if notes:
            yield Text("")
            yield self.text(heading, "bold")
        for note in notes:
            yield self._indented(f"[{note.number}] {counted(note)}: {note.text}", 2)
            for line in note.where:
                yield self._indented(line, 6, "dim")
            if note.hint:
                yield self._indented(f"to get it: {note.hint}", 6, "cyan")

    def _indented(self, string: str, by: int, style: str = "") -> Padding:
        return Padding(self.text(string, style), (0, 0, 0, by), expand=False)

    def _pages(self, widths: Sequence[int]) -> list[list[int]]:
        return pages(widths, self.width - self._label_width() - _GAP)

    def _label_width(self) -> int:
        labels = [row_label(row) for row in self.table.rows]
        longest = max((len(label) for label in labels), default=0)
        longest_word = max((len(word) for label in labels for word in label.split()), default=0)
        return max(len("  difference"), min(longest_word, self.width // 3), min(longest, _WIDEST_LABEL, self.width // 4))

    def _grid(self, label: str, headers: Sequence[str], widths: Sequence[int]) -> Grid:
        grid = Grid(box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False, show_edge=False, collapse_padding=True)
        grid.add_column(self.text(label, "bold"), width=self._label_width(), overflow="fold")
        for header, width in zip(headers, widths, strict=True):
            grid.add_column(self.text(header.rjust(width), "bold"), width=width, no_wrap=True)
        return grid


@dataclass(frozen=True, slots=True)
class _Plan:
    """How wide a column is: our numbers end in one line, and what follows them begins there."""

    label: str
    words: tuple[Words, ...]
    tail: int
    width: int

    @classmethod
    def of(cls, table: Table, c: int, under: Appendix) -> _Plan:
        said = tuple(words(row.cells[c], table.columns[c], under) for row in table.rows)
        return cls.fit(column_label(table.columns[c]), said)

    @classmethod
    def fit(cls, label: str, said: tuple[Words, ...], *, under: bool = True) -> _Plan:
        """Args: under: whether the paper's number and the difference stand under ours, in the same column."""
        tail = max((len(_tail(w)) for w in said), default=0)
        number = max((len(text) for w in said for text in ((w.value, w.paper, w.difference) if under else (w.value,))), default=0)
        longest = max((len(text) for w in said for text in (w.interval, w.spread)), default=0) if under else 0
        return cls(label, said, tail, max(len(label), number + tail, longest))

    def header(self) -> str:
        return self.below(self.label).ljust(self.width)

    def ours(self, said: Words) -> str:
        return said.value.rjust(self.width - self.tail) + _tail(said)

    def below(self, string: str) -> str:
        return string.rjust(max(self.width - self.tail, len(string)))


def _tail(said: Words) -> str:
    """What follows our number; letters are raised as far as a terminal can."""
    return (f"^{said.letters}" if said.letters else "") + said.tail


def pages(widths: Sequence[int], room: int) -> list[list[int]]:
    """Positions of columns in blocks that fit `room` characters, as even as can be; a block has at least one column."""
    for blocks in range(1, len(widths) + 1):
        size = -(-len(widths) // blocks)
        cut = [list(range(start, min(start + size, len(widths)))) for start in range(0, len(widths), size)]
        if size == 1 or all(sum(widths[c] + _GAP for c in page) - _GAP <= room for page in cut):
            return cut
    return []


def _style(cell: Cell, emphasis: str) -> str:
    if not cell.done:
        return "red" if cell.status is Status.FAILED else "dim"
    return f"{_STYLES.get(cell.verdict, '')} {emphasis}".strip()


def as_ascii(string: str) -> str:
    """For a console that has no other characters."""
    return unicodedata.normalize("NFKD", string.translate(_ASCII)).encode("ascii", "replace").decode("ascii")
