"""Conformance: what a solver or a problem must satisfy to be measured, told in plain words."""

from __future__ import annotations

import problems
from bilevel_core import solvers
from bilevel_core.check.finding import Finding
from bilevel_core.check.of_problem import check_problem
from bilevel_core.check.of_solver import check_solver
from bilevel_core.errors import InputError

__all__ = ["Finding", "check", "check_problem", "check_solver"]


def check(name: str) -> list[Finding]:
    """Run the conformance tests on a registered solver or problem, or on "path/to/file.py:name".

    Raises:
        InputError: nothing of that name.
    """
    try:
        solver = solvers.get(name)
    except InputError as no_solver:
        try:
            problems.parameters(name)
        except InputError as no_problem:
            sentences = dict.fromkeys((str(no_solver), str(no_problem)))
            raise InputError("; ".join(sentences)) from no_problem
        return check_problem(name)
    return check_solver(solver)
