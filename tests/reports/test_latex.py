"""LaTeX: what is escaped, and that every table has the parts that LaTeX asks for."""

from __future__ import annotations

import re

import pytest

from vitar.reports.latex import FLOAT_ROWS, escape, latex
from vitar.reports.tables import Column, Table, text_column

COMMANDS = re.compile(r"\\(?:[A-Za-z]+|.)")


def table_of(rows: int, *, name: str = "kinds", note: str = "", text: str = "a_b") -> Table:
    columns = (
        text_column("Model", "model"),
        Column("IoU ≥ 0.5", lambda row: f"{row['n']}* (1–2)"),
        Column("Figures & words", lambda row: "words", numeric=False, wrapped=True),
    )
    return Table(name, "Accuracy of 50% & more", columns, tuple({"model": text, "n": n} for n in range(rows)), note)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100% of a_b & c#1 for $5", r"100\% of a\_b \& c\#1 for \$5"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("p < 0.001", r"p \textless{} 0.001"),
        ("−2.5 (−3–4)", r"$-$2.5 ($-$3\textendash{}4)"),
        ("IoU ≥ 0.5, × 2", r"IoU $\geq$ 0.5, $\times$ 2"),
        ("45.5*† (42)", r"45.5\textsuperscript{*}\textsuperscript{\textdagger} (42)"),
        ("[1] --- x", "{[}1{]} -{}-{}- x"),
        ("two\nlines\x07", "two lines "),
        ("Müller 肺", "Müller 肺"),
    ],
)
def test_text_is_escaped(text: str, expected: str):
    assert escape(text) == expected


def test_no_text_ends_a_row_or_opens_a_comment_or_group():
    hostile = "\\\\ % & { } [ ] $ # _ ~ ^ \\end{tabular} \\begin{verbatim} --\n\r\t\0"
    shown = COMMANDS.sub("", escape(hostile))
    assert not set(shown) & set("\\%&$#_~^")
    assert shown.count("{") == shown.count("}")


def test_a_table_has_its_parts_in_order():
    text = latex([table_of(2, note="* shown")])
    lines = text.splitlines()
    assert lines[0].startswith("% Needs \\usepackage{booktabs,longtable}")
    order = [
        r"\begin{table}",
        r"\centering\small",
        r"\caption{Accuracy of 50\% \& more}\label{tab:kinds-1}",
        r"\begin{tabular}{lrp{0.90\linewidth}}",
        r"\toprule",
        r"Model & IoU $\geq$ 0.5 & Figures \& words \\",
        r"\midrule",
        r"a\_b & 0\textsuperscript{*} (1\textendash{}2) & words \\",
        r"a\_b & 1\textsuperscript{*} (1\textendash{}2) & words \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip\footnotesize \textsuperscript{*} shown",
        r"\end{table}",
    ]
    assert lines[1:] == order


def test_every_row_has_a_cell_for_each_column_whatever_its_text():
    text = latex([table_of(3, text="a & b \\\\ c")])
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 4
    assert all(len(re.findall(r"(?<!\\)&", row)) == 2 for row in rows)


def test_a_long_table_breaks_across_pages():
    text = latex([table_of(FLOAT_ROWS), table_of(FLOAT_ROWS + 1, note="n")])
    short, long = text.split(r"\begingroup\small")
    assert "longtable}{" not in short
    assert r"\end{longtable}" in long
    assert long.index(r"\endhead") < long.index(r"\endfoot") < long.index("a\\_b")
    assert long.rstrip().endswith("\\par\\smallskip\\footnotesize n\n\\endgroup")
    for name in ("table", "tabular", "longtable"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1
    assert text.count(r"\begingroup") == text.count(r"\endgroup") == 1


def test_labels_are_distinct_and_plain():
    text = latex([table_of(1, name="answer_types"), table_of(1, name="answer_types")])
    assert re.findall(r"\\label\{(.*?)\}", text) == ["tab:answer-types-1", "tab:answer-types-2"]
