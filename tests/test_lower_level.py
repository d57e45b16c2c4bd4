"""Whether a lower level is quadratic is a property of its constants, whatever it is called."""

import pytest
from report_frames import frame
from report_text import csv_line

import bilevel_core as bl
import problems
from bilevel_core.cli.fits import fit_all
from bilevel_core.report.groups import split
from bilevel_core.sweep.frames import of_records

FINITE = {"noise": "finite_sum", "sigma": 0.1}


def level(problem, solver="aid_bio"):
    record = bl.run(problem, solver, 1e-9, engine="torch", max_outer=1)
    (group, _) = split(of_records([record]))
    return group.lower_level


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("hard", {"curvature": 1}, "quadratic"),
        ("hard", {"curvature": 2}, "quadratic"),
        ("hard", {"curvature": 3}, "general"),
        ("chain", {"length": 4}, "quadratic"),
        ("quadratic", {"dim": 2}, "quadratic"),
        ("quadratic", {"dim": 2, **FINITE}, "general"),
        ("ramp", {}, "general"),
    ],
)
def test_level_of_a_family(name, options, expected):
    solver = "stocbio" if "noise" in options else "aid_bio"
    assert level(problems.make(name, kappa=4.0, **options), solver) == expected


@pytest.mark.parametrize(("family", "expected"), [("quadratic", "quadratic"), ("ramp", "general")])
def test_level_of_a_plug_in(tmp_path, family, expected):
    path = tmp_path / "own.py"
    path.write_text(
        f"import problems\n\n\n@problems.register('my_{family}')\n"
        "def make(kappa: float, seed: int = 0):\n"
        f"    return problems.make({family!r}, kappa=kappa, seed=seed)\n"
    )
    assert level(problems.make(f"{path}:my_{family}", kappa=4.0)) == expected


def test_rows_decide_and_one_general_row_is_enough():
    df = frame("aid_bio", problem="quadratic")
    assert csv_line(df, "aid_bio", "hv")["bound_kappa"] == "3.5"  # nothing is known of constants
    df = df.assign(lower_level="quadratic")
    line = csv_line(df, "aid_bio", "hv")
    assert (line["bound_kappa"], line["lower_level"]) == ("2.5", "quadratic")
    assert fit_all(df, ["hv"], "auto")[0].bound.kappa == 2.5
    df.loc[0, "lower_level"] = "general"
    assert csv_line(df, "aid_bio", "hv")["bound_kappa"] == "3.5"
