r"""Tables as LaTeX that compiles as it stands in an article with the packages booktabs and graphicx.

The output is ASCII: an older engine has no glyph for most of Unicode and stops there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rerankbench.report.appendix import Appendix, Note, appendix
from rerankbench.report.sheet import Sheet, experiment_sheets
from rerankbench.report.table import Row, Table
from rerankbench.report.text import INTERVAL, Shape, Words, beneath, column_label, counted, legend, row_label, words

_ASCII = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "`": r"\`{}", '"': r"\texttt{\char34}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # after a line's end these would be read as its options
}  # fmt: skip
_UNICODE = {
    "–": r"\textendash{}", "—": r"\textemdash{}", "‘": r"\textquoteleft{}", "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}",
    "…": r"\ldots{}", "·": r"$\cdot$", "\u00a0": "~",
    "≥": r"$\geq$", "≤": r"$\leq$", "≠": r"$\neq$", "≈": r"$\approx$", "±": r"$\pm$", "×": r"$\times$", "→": r"$\rightarrow$",
    "←": r"$\leftarrow$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "∞": r"$\infty$", "−": "$-$", "°": r"$^{\circ}$",
    "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}", "ł": r"\l{}", "Ł": r"\L{}", "µ": r"$\mu$",
    "▲": r"$\bigtriangleup$", "▼": r"$\bigtriangledown$",
    "α": r"$\alpha$", "β": r"$\beta$", "δ": r"$\delta$", "Δ": r"$\Delta$", "λ": r"$\lambda$", "μ": r"$\mu$", "σ": r"$\sigma$",
    "τ": r"$\tau$", "†": r"\dag{}", "‡": r"\ddag{}", "§": r"\S{}", "¶": r"\P{}",
    **{digit: rf"\textsuperscript{{{n}}}" for n, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}  # fmt: skip
_LIGATURE = re.compile(r"([-'])(?=\1)")  # two hyphens would become a dash, two apostrophes a quotation mark
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0308": '"',
    "\u0304": "=",
    "\u0307": ".",
    "\u030c": "v",
    "\u0327": "c",
}

_MANY = 6
_FIT, _ROOM, _NARROWEST = 14, 100, 8
"""Columns that a page always takes; of more, so many characters are set beside each other, a column's narrowest counting as so many."""
_SMALL = r"\small\setlength{\tabcolsep}{3pt}"
_TINY = r"\scriptsize\setlength{\tabcolsep}{1.5pt}"


def render_latex(table: Table, shape: Shape = "paper") -> str:
    """A table environment with the table, then all that is said under it as text, which goes on over pages where a float cannot."""
    under = appendix(table)
    runs = [f"% run: {line}" for line in map(_comment, under.runs)]
    body = [_paper(table, under)] if shape == "paper" else [_sheet(sheet) for sheet in experiment_sheets(table, under)]
    lines = [
        r"% Needs \usepackage{booktabs,graphicx}.",
        *runs,
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.title)}}}",
        _SMALL if len(table.columns) <= _MANY or shape == "experiment" else _TINY,
        "\n\\par\\medskip\n".join(body),
        r"\end{table}",
        r"{\footnotesize\raggedright\setlength{\parindent}{0pt}%",
        "\n\n".join(_below(table, under, shape)),
        r"\par}",
    ]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    """Text of a line that LaTeX does not read, in ASCII."""
    return " ".join(text.split()).encode("ascii", "replace").decode("ascii")


def escape(text: str) -> str:
    """Text that LaTeX prints as it is; a letter that it has no name for becomes its code point, e.g. ``{[}U+4E2D{]}``."""
    text = "".join(_character(c) for c in " ".join(text.split()))
    return _LIGATURE.sub(r"\g<1>{}", text)


def _character(c: str) -> str:
    if c in _ASCII or c in _UNICODE:
        return _ASCII.get(c) or _UNICODE[c]
    if " " <= c <= "~":
        return c
    base, *marks = list(unicodedata.normalize("NFD", c))
    if len(marks) == 1 and marks[0] in _ACCENTS and re.fullmatch("[A-Za-z]", base):
        letter = {"i": r"\i", "j": r"\j"}.get(base, base)
        return rf"\{_ACCENTS[marks[0]]}{{{letter}}}"
    return f"{{[}}U+{ord(c):04X}{{]}}"


def _paper(table: Table, under: Appendix) -> str:
    """The table, in as many blocks under each other as its columns need."""
    return "\n\\par\\medskip\n".join(_block(part, under) for part in _parts(table))


def _parts(table: Table) -> Iterator[Table]:
    """The table with so many of its columns at a time as a page is wide; its appendix stays that of the whole."""
    start, room = 0, _ROOM
    for c, column in enumerate(table.columns):
        width = max(_NARROWEST, len(column_label(column)))
        if room < width and c > start and len(table.columns) > _FIT:
            yield _with_columns(table, start, c)
            start, room = c, _ROOM
        room -= width
    yield _with_columns(table, start, len(table.columns))


def _with_columns(table: Table, start: int, end: int) -> Table:
    groups = tuple(replace(g, rows=tuple(replace(r, cells=r.cells[start:end]) for r in g.rows)) for g in table.groups)
    return replace(table, columns=table.columns[start:end], groups=groups)


def _block(table: Table, under: Appendix) -> str:
    n = len(table.columns)
    lines = [_row(["", *(escape(column_label(c)) for c in table.columns)])]
    emphasis = table.emphasis()
    position = 0
    for group in table.groups:
        lines.append(r"\midrule")
        if group.label:
            lines.append(rf"\multicolumn{{{n + 1}}}{{l}}{{\textit{{{escape(group.label)}}}}} \\")
        for row in group.rows:
            said = [words(cell, c, under) for cell, c in zip(row.cells, table.columns, strict=True)]
            lines.extend(_paper_row(row, said, [emphasis.get((position, c), "") for c in range(n)]))
            position += 1
    return _tabular(n, lines)


def _paper_row(row: Row, said: Sequence[Words], marks: Sequence[str]) -> Iterator[str]:
    ours = [_ours(w, row.cells[c].members, mark) for c, (w, mark) in enumerate(zip(said, marks, strict=True))]
    yield _row([escape(row_label(row)), *ours])
    for heading, texts in _narrow(beneath(said)):
        yield _row([rf"\quad\textit{{{escape(heading)}}}", *(_slanted(text) if text else "" for text in texts)])


def _narrow(lines: Sequence[tuple[str, list[str]]]) -> Iterator[tuple[str, list[str]]]:
    """The lines under a row with each interval in two, low and high, so that a column is no wider than a number."""
    for heading, texts in lines:
        ends = [text.partition("–") for text in texts]
        if heading != INTERVAL:
            yield heading, texts
            continue
        yield f"{heading} from", [low for low, _, _ in ends]
        yield "to", [high for _, _, high in ends]


def _ours(said: Words, members: tuple[int, int] | None, emphasis: str = "") -> str:
    """Our number and what follows it; an average that lacks members is written 7/8."""
    lacking = members is not None and members[0] < members[1]
    value = f"{members[0]}/{members[1]}" if members and lacking else said.value
    value = {"bold": rf"\textbf{{{value}}}", "underline": rf"\underline{{{value}}}"}.get(emphasis, value)
    raised = " ".join(filter(None, (said.letters, said.tail)))
    return value + (rf"\textsuperscript{{{escape(raised)}}}" if raised else "")


def _slanted(text: str) -> str:
    """A number under ours."""
    return f"${text}$" if text[0] in "+-" else rf"\textit{{{escape(text)}}}"


def _sheet(sheet: Sheet) -> str:
    lines = [_row(["system", escape(sheet.measure), *map(escape, sheet.columns)]), r"\midrule"]
    lines += [_row([escape(line.label), _ours(line.said, line.cell.members), *map(escape, line.parts)]) for line in sheet.lines]
    return rf"\textit{{{escape(sheet.heading)}}}\par\smallskip" + "\n" + _tabular(1 + len(sheet.columns), lines)


def _tabular(numbers: int, lines: Sequence[str]) -> str:
    """One column of text and so many of numbers, scaled down where a page is too narrow for it."""
    whole = [rf"\begin{{tabular}}{{l{'r' * numbers}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}"]
    return "\n".join([r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%", *whole, "}"])


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _below(table: Table, under: Appendix, shape: Shape) -> Iterator[str]:
    paragraphs = (*table.context, legend(table, under, flags=shape == "paper", of="/"), *under.verdicts, under.complete)
    yield from (escape(p) for p in paragraphs if p)
    for heading, notes in (("Missing", under.missing), ("Notes", under.remarks)):
        if notes:
            yield rf"\textbf{{{heading}}}"
        yield from map(_note, notes)
    for heading, lines in under.lists():
        yield rf"\textbf{{{heading}}}"
        yield from map(escape, lines)


def _note(note: Note) -> str:
    hint = f" To get it: {note.hint.rstrip('.')}." if note.hint else ""
    return escape(f"[{note.number}] {counted(note)}: {note.text} ({'; '.join(note.where)}).{hint}")
