"""Tables as LaTeX, for the packages booktabs and longtable, each to be included by ``\\input``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vitar.reports.tables import Column, Table

FLOAT_ROWS = 40
"""Rows that fit a page; a longer table breaks across pages."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "[": "{[}",
    "]": "{]}",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{MINUS SIGN}": r"$-$",
    "\N{EN DASH}": r"\textendash{}",
    "\N{HORIZONTAL ELLIPSIS}": r"\dots{}",
    "\N{NO-BREAK SPACE}": "~",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "*": r"\textsuperscript{*}",
    "†": r"\textsuperscript{\textdagger}",
}


def escape(text: str) -> str:
    """Text as LaTeX prints it; control characters become spaces, as a line break would end a row.

    Brackets are grouped, as one at the start of a row would be an argument of the end of the row before. Hyphens are
    kept apart, as two would become a dash.
    """
    shown = "".join(_SPECIAL.get(letter, letter if letter.isprintable() else " ") for letter in text)
    return re.sub("-(?=-)", "-{}", shown)


def latex(tables: Sequence[Table]) -> str:
    """The tables one below the other, with what a document needs for them in a comment."""
    head = "% Needs \\usepackage{booktabs,longtable}. The plain values are in the CSV file of the same name.\n"
    return head + "\n".join(_table(table, number) for number, table in enumerate(tables, start=1))


def _table(table: Table, number: int) -> str:
    caption, label = escape(table.caption), f"tab:{_slug(table.name)}-{number}"
    columns = "".join(_column(column, table.columns) for column in table.columns)
    titles = " & ".join(escape(column.title) for column in table.columns) + r" \\"
    rows = [" & ".join(escape(column.show(row)) for column in table.columns) + r" \\" for row in table.rows]
    head = [r"\toprule", titles, r"\midrule"]
    note = [rf"\par\smallskip\footnotesize {escape(table.note)}"] if table.note else []
    if len(rows) <= FLOAT_ROWS:
        begin = [r"\begin{table}", r"\centering\small", rf"\caption{{{caption}}}\label{{{label}}}"]
        body = [rf"\begin{{tabular}}{{{columns}}}", *head, *rows, r"\bottomrule", r"\end{tabular}"]
        return "\n".join([*begin, *body, *note, r"\end{table}", ""])
    begin = [r"\begingroup\small", rf"\begin{{longtable}}{{{columns}}}", rf"\caption{{{caption}}}\label{{{label}}}\\"]
    ends = [r"\endhead", r"\bottomrule", r"\endfoot"]
    return "\n".join([*begin, *head, *ends, *rows, r"\end{longtable}", *note, r"\endgroup", ""])


def _column(column: Column, columns: Sequence[Column]) -> str:
    if column.wrapped:
        return rf"p{{{0.9 / sum(each.wrapped for each in columns):.2f}\linewidth}}"
    return "r" if column.numeric else "l"


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)
