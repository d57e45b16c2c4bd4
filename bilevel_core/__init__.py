"""bilevel-bench: complexity claims about bilevel optimisation, put to the test.

import bilevel_core as bl
import problems

p = problems.make("hard", kappa=16, curvature=3, tail=4.0)
r = bl.run(p, "aid_bio", eps=[1e-1, 1e-2])
r.counts(1e-2)
"""

from bilevel_core import solvers
from bilevel_core.autograd import problem_from_functions
from bilevel_core.check import check_problem, check_solver
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost, CostRange
from bilevel_core.errors import InputError
from bilevel_core.fit import Collapse, Fit, collapse, fit
from bilevel_core.fit_estimate import Exponent
from bilevel_core.problem import Problem
from bilevel_core.record import RunConfig, RunRecord
from bilevel_core.run import execute, run, run_many
from bilevel_core.solvers import register_solver

__version__ = "0.1.0"
__all__ = [
    "Collapse",
    "Constants",
    "Cost",
    "CostRange",
    "Exponent",
    "Fit",
    "InputError",
    "Problem",
    "RunConfig",
    "RunRecord",
    "check_problem",
    "check_solver",
    "collapse",
    "execute",
    "fit",
    "problem_from_functions",
    "register_solver",
    "run",
    "run_many",
    "solvers",
]
