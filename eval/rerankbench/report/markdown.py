"""Tables as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rerankbench.report.appendix import Appendix, Note, appendix
from rerankbench.report.sheet import experiment_sheets
from rerankbench.report.table import Row, Table
from rerankbench.report.text import Shape, Words, beneath, column_label, counted, legend, row_label, words

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&$]")
_LINE_START = re.compile(r"^(#|[-+=]|[0-9]+(?=[.)]))")


def render_markdown(table: Table, shape: Shape = "paper") -> str:
    """The table and all that is said under it, as a section with a heading."""
    under = appendix(table)
    blocks = [f"### {escape(table.title)}", *map(block, table.context)]
    blocks += [_paper(table, under)] if shape == "paper" else list(_experiment(table, under))
    blocks += map(block, filter(None, [legend(table, under, flags=shape == "paper")]))
    blocks += [f"**{escape(line)}**" for line in (*under.verdicts, under.complete) if line]
    blocks += [_notes(heading, notes) for heading, notes in (("Missing", under.missing), ("Notes", under.remarks)) if notes]
    blocks += [f"**{heading}**\n\n" + "\n".join(f"- {block(line)}" for line in lines) for heading, lines in under.lists()]
    blocks += ["**Runs**, below the folder of runs\n\n" + "\n".join(f"- {_run(line)}" for line in under.runs)] if under.runs else []
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Text that Markdown shows as it is, also inside a table's cell; line breaks become blanks."""
    return _SPECIAL.sub(lambda m: "\\" + m.group(), " ".join(text.split()))


def block(text: str) -> str:
    """Text that begins a line, and must not begin a heading or a list."""
    return _LINE_START.sub(lambda m: f"{m.group()}\\" if m.group().isdigit() else f"\\{m.group()}", escape(text))


def _paper(table: Table, under: Appendix) -> str:
    lines = [_line(["", *(escape(column_label(c)) for c in table.columns)]), _rule(1, len(table.columns))]
    emphasis = table.emphasis()
    position = 0
    for group in table.groups:
        if group.label:
            lines.append(_line([f"*{escape(group.label)}*", *[""] * len(table.columns)]))
        for row in group.rows:
            marks = [emphasis.get((position, c), "") for c in range(len(table.columns))]
            lines.extend(_paper_row(row, [words(cell, c, under) for cell, c in zip(row.cells, table.columns, strict=True)], marks))
            position += 1
    return "\n".join(lines)


def _paper_row(row: Row, said: Sequence[Words], marks: Sequence[str]) -> Iterator[str]:
    yield _line([escape(row_label(row)), *(_ours(w, mark) for w, mark in zip(said, marks, strict=True))])
    for heading, texts in beneath(said):
        yield _line([f"*{heading}*", *(f"*{text}*" if text else "" for text in texts)])


def _ours(said: Words, emphasis: str = "") -> str:
    value = {"bold": f"**{said.value}**", "underline": f"<ins>{said.value}</ins>"}.get(emphasis, said.value)
    return f"{value}{f'<sup>{said.letters}</sup>' if said.letters else ''} {escape(said.tail)}".rstrip()


def _experiment(table: Table, under: Appendix) -> Iterator[str]:
    for sheet in experiment_sheets(table, under):
        lines = [_line(["system", escape(sheet.measure), *sheet.columns]), _rule(1, 1 + len(sheet.columns))]
        lines += [_line([escape(line.label), _ours(line.said), *map(escape, line.parts)]) for line in sheet.lines]
        yield f"#### {escape(sheet.heading)}"
        yield "\n".join(lines)


def _notes(heading: str, notes: Sequence[Note]) -> str:
    lines = [f"**{heading}**", ""]
    for note in notes:
        lines.append(f"- \\[{note.number}\\] {counted(note)}: {escape(note.text)}")
        lines.extend(f"  - {block(line)}" for line in note.where)
        if note.hint:
            lines.append(f"  - to get it: {_code(note.hint)}")
    return "\n".join(lines)


def _run(line: str) -> str:
    said, _, folder = line.rpartition(" ")
    return f"{block(said)} {_code(folder)}"


def _code(text: str) -> str:
    """A code span, fenced by more backticks than the text holds in a row."""
    text = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(left: int, right: int) -> str:
    return "|" + " --- |" * left + " ---: |" * right
