"""Conformance: what a solver or a problem must satisfy to be measured, told in plain words."""

from __future__ import annotations

from collections.abc import Iterator

import problems
from bilevel_core import solvers
from bilevel_core.check.finding import Finding
from bilevel_core.check.of_problem import check_problem, problem_findings
from bilevel_core.check.of_solver import check_solver, solver_findings
from bilevel_core.errors import InputError

__all__ = ["Finding", "check", "check_problem", "check_solver", "findings_of"]


def findings_of(name: str) -> Iterator[Finding]:
    """The findings on a solver or problem, registered or "path/to/file.py:name", as they are made.

    Raises:
        InputError: nothing of that name; at once, not when the first finding is asked for.
    """
    try:
        solver = solvers.get(name)
    except InputError as no_solver:
        try:
            problems.parameters(name)
        except InputError as no_problem:
            sentences = dict.fromkeys((str(no_solver), str(no_problem)))
            raise InputError("; ".join(sentences)) from no_problem
        return problem_findings(name)
    return solver_findings(solver)


def check(name: str) -> list[Finding]:
    """All of `findings_of`."""
    return list(findings_of(name))
