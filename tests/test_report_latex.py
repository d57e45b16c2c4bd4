"""LaTeX of what was really measured, and in documents of other people."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from report_frames import frame, miss
from report_text import compile_latex, needs_pdflatex

from bilevel_core import report
from bilevel_core.fit_models import OFFSETS
from bilevel_core.report.notation import LATEX, MARKDOWN
from bilevel_core.report.wording import factors
from bilevel_core.sweep import store

REFERENCE = Path(__file__).parent.parent / "results" / "reference"


def wide():
    """Four bold statuses and an exclusion in one row, which is more than a line of A4 holds."""
    missed = miss(frame("fo_itd_bio"), "diverged")
    missed.loc[missed["kappa"] == 4.0, "status"] = "censored"
    missed.loc[missed["kappa"] == 8.0, "status"] = "failed"
    return pd.concat([frame("aid_bio"), missed])


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_factor_stays_inside_mathematics(offset):
    (line,) = factors(SimpleNamespace(model="power_log", offset=offset), LATEX)
    pieces = line.split("$")
    assert len(pieces) % 2 == 1
    assert not any("^" in outside or "\\" in outside for outside in pieces[::2])


def test_a_factor_in_markdown_is_plain():
    assert factors(SimpleNamespace(model="power_log", offset="log(kappa^2/eps)"), MARKDOWN) == [
        "× log(κ^2/ε)"
    ]
    assert factors(SimpleNamespace(model="power", offset=""), MARKDOWN) == []


@needs_pdflatex
@pytest.mark.slow
@pytest.mark.parametrize("name", ["quick", "quick_stochastic"])
def test_a_reference_store_compiles_and_fits_the_page(tmp_path, name):
    if not (REFERENCE / name / "runs").is_dir():
        pytest.skip(f"no store {name} under results/reference")
    df = store.frame(REFERENCE / name)
    text = report.write_table(df[df["criterion"] == "average"], "latex")
    log = compile_latex(tmp_path, text)
    assert "Overfull" not in log
    assert "Float too large" not in log


@needs_pdflatex
def test_a_table_wider_than_the_page_is_scaled(tmp_path):
    text = report.write_table(wide(), "latex")
    assert "Overfull" not in compile_latex(tmp_path, text)
    assert "Overfull" in compile_latex(tmp_path, text.replace(r"\usepackage{graphicx}", ""))


@needs_pdflatex
def test_in_a_document_with_graphicx_a_table_fits_its_lines(tmp_path):
    (tmp_path / "inner.tex").write_text(report.write_table(wide(), "latex"), encoding="utf-8")
    outer = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    log = compile_latex(tmp_path, outer + r"\input{inner}\input{inner}after\end{document}")
    assert "Overfull" not in log
