"""Readers of the tables that a report writes."""

import csv
import io
import re
import shutil
import subprocess

import pytest

from bilevel_core import report


def markdown_rows(text):
    """Cells of all table lines, split at the bars that are not escaped."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def markdown_row(df, start):
    return next(row for row in markdown_rows(report.write_table(df, "md")) if row[0] == start)


def csv_lines(df):
    return list(csv.DictReader(io.StringIO(report.write_table(df, "csv"))))


def csv_line(df, solver, quantity):
    found = [x for x in csv_lines(df) if (x["solver"], x["quantity"]) == (solver, quantity)]
    assert len(found) == 1
    return found[0]


def compile_latex(folder, text):
    (folder / "table.tex").write_text(text, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    command = ["pdflatex", *options, "table.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "table.pdf").read_bytes().startswith(b"%PDF-")
    return done.stdout


needs_pdflatex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed"
)
