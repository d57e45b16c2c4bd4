"""Condition numbers of tasks, and where they lie on measured curves."""

import json

import numpy as np
import pytest
from figure_text import overlapping
from report_frames import frame

import problems
from benchmarks import conditioning as command
from bilevel_core.experiments.conditioning import after_steps, conditions
from bilevel_core.report import placement
from bilevel_core.report.groups import split


def test_ends_of_a_known_spectrum_and_what_they_cost():
    problem = problems.make("quadratic", kappa=16.0, seed=1, dim=60)
    first, later = conditions("known", problem, steps=3)
    for one in (first, later):
        assert one.kappa == pytest.approx(16.0, rel=0.05)
        assert one.certified == pytest.approx(16.0)
        assert one.unknowns == problem.dim_y
        assert one.products > 0
    assert (first.gradients, later.gradients) == (0, 3)


def test_steps_approach_the_inner_solution():
    problem = problems.make("quadratic", kappa=4.0)
    y, gradients = after_steps(problem, 1.0 / problem.constants.L, 60)
    np.testing.assert_allclose(y, problem.y_star(problem.x0), atol=1e-6)
    assert gradients == 60


def test_curves_are_drawn_on_to_the_tasks():
    (group,) = split(frame("aid_bio"))
    figure, table = placement.draw(group, {"near": 50.0, "far": 1e4})
    asked = table[table["task"] != ""].set_index(["quantity", "task"])["fitted"]
    assert asked["hv", "far"] / asked["hv", "near"] == pytest.approx(200**3.5, rel=1e-2)
    assert asked["gc_g", "far"] / asked["gc_g", "near"] == pytest.approx(200**4, rel=1e-2)
    assert table.loc[table["task"] != "", "mean"].isna().all()
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["near", "far"] * 4


def test_names_of_tasks_hide_nothing():
    (group,) = split(frame("aid_bio"))
    tasks = {"in": 16.0, "beyond the marks": 50.0, "next to it": 150.0, "far": 1e4}
    figure, _ = placement.draw(group, tasks)
    assert overlapping(figure) == []
    for axes in figure.axes:
        panel = axes.get_window_extent()
        assert len(axes.texts) == len(tasks)
        assert all(text.get_window_extent().y0 > panel.y1 for text in axes.texts)


def test_names_that_would_meet_are_stacked():
    lines = [(10.0, ["a", "b"]), (100.0, ["cccc"]), (1000.0, ["d"])]
    assert [line.row for line in placement.stacked(lines, 0.1)] == [0, 0, 0]
    assert placement.stacked(lines, 0.3) == [
        (10.0, "a, b", 0),
        (100.0, "cccc", 1),
        (1000.0, "d", 0),
    ]


def test_tasks_that_lie_close_share_a_line():
    found = placement.gathered({"c": 1000.0, "a": 10.0, "b": 12.0})
    assert found == [(10.0, ["a", "b"]), (1000.0, ["c"])]


def test_the_command_writes_numbers_page_and_picture(tmp_path, monkeypatch):
    (group,) = split(frame("aid_bio"))
    monkeypatch.setattr(command, "TASKS", ("quadratic",))
    monkeypatch.setattr(command, "group_of", lambda directory: group)
    make = problems.make
    monkeypatch.setattr(problems, "make", lambda name: make(name, kappa=90.0))
    assert command.main([str(tmp_path / "out")]) == 0
    (first, _) = json.loads((tmp_path / "out" / "conditions.json").read_text())["conditions"]
    assert first["kappa"] == pytest.approx(90.0, rel=0.05)
    page = (tmp_path / "out" / "README.md").read_text()
    assert "| quadratic | at the start |" in page
    assert "| quadratic | 90 | 2.81 |" in page
    assert (tmp_path / "out" / "placement.png").stat().st_size > 10_000

    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for name in before.keys() - {"conditions.json"}:
        (tmp_path / "out" / name).unlink()
    monkeypatch.setattr(command, "measured", lambda: pytest.fail("measured again"))
    assert command.main([str(tmp_path / "out"), "--redraw"]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_what_was_not_measured_is_not_redrawn(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "group_of", lambda directory: None)
    assert command.main([str(tmp_path), "--redraw"]) == 2
    assert "conditions.json does not exist" in capsys.readouterr().err


def test_a_store_without_the_curves_is_told_in_one_line(tmp_path, capsys):
    assert command.main([str(tmp_path / "out"), "--curves", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
