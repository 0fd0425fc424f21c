"""Lays tables out for a terminal; into a pipe or a file they go as they are, for programs."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import TextIO

_GAP = "  "
_INDENT = "    "
_LEAST_COLUMNS = 40
_USUAL_COLUMNS = 80
_MAY_BE_CUT = {"Prompt", "Source"}
"""Columns of free text; all others are names, paths and amounts, which are of no use when a part is missing."""
_SIGNS = "█─…"
_PLAIN = {"█": "#", "─": "-", "…": "~"}


def fitted(text: str, stream: TextIO) -> str:
    """Give a text as it is, or with its Markdown tables laid out for the terminal that the stream is.

    Rows that are too wide go on in an indented line.
    """
    if not stream.isatty():
        return text
    columns = _columns(stream)
    parts: list[str] = []
    for is_table, group in groupby(text.split("\n"), key=lambda line: line.startswith("| ")):
        lines = list(group)
        parts += _laid_out([_cells(line) for line in lines], columns) if is_table else lines
    return _encodable("\n".join(parts), stream)


def bar(amount: float, most: float, columns: int) -> str:
    """Draw an amount as a bar, of so many columns for the largest; anything above nothing is seen."""
    return "█" * max(round(columns * amount / most), int(amount > 0)) if most else ""


def _columns(stream: TextIO) -> int:
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except OSError:  # Windows takes NUL for a terminal
        return _USUAL_COLUMNS
    return max(found, _LEAST_COLUMNS) if found else _USUAL_COLUMNS


def _encodable(text: str, stream: TextIO) -> str:
    """Draw with plain signs where the terminal's encoding lacks ours."""
    try:
        _SIGNS.encode(stream.encoding)
    except UnicodeEncodeError:
        return text.translate(str.maketrans(_PLAIN))
    return text


def _cells(line: str) -> list[str]:
    return [cell.replace("`", "").strip() for cell in line.strip("|").split(" | ")]


def _laid_out(rows: list[list[str]], columns: int) -> Iterator[str]:
    """Give the lines of a table: title, rule, rows."""
    head, _, *body = rows
    widths = [max(map(_width, column)) for column in zip(head, *body, strict=True)]
    lines = _in_lines(widths, columns)
    right = [all(_is_amount(row[place]) for row in body) for place in range(len(head))]
    yield from _row(head, head, widths, right, lines, columns)
    yield "─" * min(columns, max(sum(widths[place] + len(_GAP) for place in line) - len(_GAP) for line in lines))
    for row in body:
        yield from _row(row, head, widths, right, lines, columns)


def _in_lines(widths: list[int], columns: int) -> list[list[int]]:
    """Divide the places of a row into lines that fit."""
    lines: list[list[int]] = [[]]
    left = columns
    for place, width in enumerate(widths):
        if lines[-1] and width > left:
            lines.append([])
            left = columns - len(_INDENT)
        lines[-1].append(place)
        left -= width + len(_GAP)
    return lines


def _row(
    row: list[str], head: list[str], widths: list[int], right: list[bool], lines: list[list[int]], columns: int
) -> Iterator[str]:
    """Give the lines of one row."""
    for number, line in enumerate(lines):
        text = _INDENT if number else ""
        for place in line:
            room = columns - _width(text)
            cell = _cut(row[place], room) if head[place] in _MAY_BE_CUT else row[place]
            pad = " " * (widths[place] - _width(cell))
            text += (pad + cell if right[place] else cell + pad) + _GAP
        yield text.rstrip()


def _cut(text: str, room: int) -> str:
    """Shorten a text to so many columns."""
    if _width(text) <= room:
        return text
    while text and _width(text) > room - 1:
        text = text[:-1]
    return f"{text.rstrip('…')}…"


def _width(text: str) -> int:
    """Count the columns of a terminal that a text takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1 for letter in text)


def _is_amount(text: str) -> bool:
    return text.replace(".", "", 1).isdigit() or text in {"?", "-", ""}
