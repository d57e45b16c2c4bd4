"""The experiments by name."""

from __future__ import annotations

import importlib

from bilevel_core.errors import unknown_name
from bilevel_core.experiments.experiment import Experiment

MODULES = {
    "fewshot": "bilevel_core.experiments.fewshot_experiment",
    "hypercleaning": "bilevel_core.experiments.hypercleaning_task",
    "newsgroups": "bilevel_core.experiments.newsgroups_task",
}


def load(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        InputError: no such experiment.
    """
    if name not in MODULES:
        raise unknown_name("experiment", name, MODULES)
    return from_module(MODULES[name])


def from_module(module: str) -> Experiment:
    """The experiment that a module holds."""
    found: Experiment = importlib.import_module(module).EXPERIMENT
    return found
