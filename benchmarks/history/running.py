"""Time and memory of runs on both engines, compiled before the clock starts."""

from __future__ import annotations

from typing import Any

FAR = 1e-4
"""An eps that none of these runs reaches."""
DIMENSION, KAPPA = 20, 10.0
COMPILED_STEPS, TORCH_STEPS, BATCH = 10_000, 20, 64


class Compiled:
    """A run of 10,000 outer steps on the compiled engine, with all that is recorded of it."""

    params = ("aid_bio", "itd_bio", "stocbio")
    param_names = ("solver",)
    rounds, repeat, timeout = 1, (3, 7, 5.0), 300

    def setup(self, solver: str) -> None:
        """Compile, by a run that is seen to make all of its steps."""
        import problems
        from bilevel_core import solvers

        drawn = solvers.get(solver).is_random
        noise: dict[str, Any] = {"noise": "gaussian", "sigma": 0.1} if drawn else {}
        self.seeds = {"noise_seeds": [0]} if drawn else {}
        self.problem = problems.make("quadratic", kappa=KAPPA, dim=DIMENSION, **noise)
        made = self.time_run(solver)
        if made < COMPILED_STEPS:
            raise RuntimeError(f"{solver} ended after {made} of {COMPILED_STEPS} outer steps")

    def time_run(self, solver: str) -> int:
        """Outer steps, evaluation and recording; the number of steps."""
        import bilevel_core as bl

        record = bl.run(
            self.problem, solver, FAR, "sharp", "compiled", max_outer=COMPILED_STEPS, **self.seeds
        )
        return int(record.passes[0]["outer"])

    def peakmem_run(self, solver: str) -> None:
        """The same, with the compiler and all libraries loaded."""
        self.time_run(solver)


class Torch:
    """AID-BiO on 64 instances at once, 20 outer steps on the torch engine."""

    rounds, repeat, timeout = 1, (3, 7, 5.0), 120

    def setup(self) -> None:
        """Load torch, on one thread."""
        import torch

        import problems

        torch.set_num_threads(1)
        self.problems = [
            problems.make("quadratic", kappa=KAPPA, seed=seed, dim=DIMENSION)
            for seed in range(BATCH)
        ]
        self.time_batch()

    def time_batch(self) -> None:
        """Outer steps, evaluation and recording."""
        import bilevel_core as bl

        bl.run_many(self.problems, "aid_bio", FAR, "sharp", "torch", max_outer=TORCH_STEPS)

    def peakmem_batch(self) -> None:
        """The same, with all libraries loaded."""
        self.time_batch()
