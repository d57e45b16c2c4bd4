"""An experiment: scenarios of one task, what their runs may spend, and what is shown of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bilevel_core.errors import InputError, unknown_name
from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.task import Task

TUNING_SEED = 10_007
"""The seed that step sizes are tuned on; no reported run may have it."""


class Scenario(NamedTuple):
    """One setting of the task, such as a share of wrong labels."""

    name: str  # in file names
    title: str  # in figures and tables
    settings: Any  # a frozen dataclass of numbers, texts and tuples of them
    tuned_as: str = ""  # the scenario whose parameters it takes over; by default its own
    note: str = ""  # what sets it apart from that one, in legends


class Metric(NamedTuple):
    """A metric that figures and tables show."""

    name: str  # a key of what `Task.evaluate` gives
    label: str  # of its axis
    rises: bool  # whether more is better


class Profile(NamedTuple):
    """How much is computed."""

    scenarios: tuple[Scenario, ...]
    budget: Budget  # of each reported run
    points: int  # evaluations of a run after the first
    seeds: tuple[int, ...]
    tuning_share: float  # the part of the budget that each point of the grid may spend
    tuning_points: int


class Experiment(NamedTuple):
    """What `bilevel-bench experiment NAME` runs."""

    name: str
    title: str
    module: str  # holds it as EXPERIMENT; worker processes import it from there
    task: Callable[[Any, int], Task]  # (settings, seed)
    profiles: Mapping[str, Profile]
    metrics: tuple[Metric, ...]


def profile_of(experiment: Experiment, name: str, seeds: tuple[int, ...] | None) -> Profile:
    """A profile, with other seeds if given.

    Raises:
        InputError: no such profile, or seeds that are not different integers >= 0 other than the
            tuning's.
    """
    if name not in experiment.profiles:
        raise unknown_name("profile", name, experiment.profiles)
    profile = experiment.profiles[name]
    if seeds is None:
        return profile
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InputError(f"seeds: expected different integers >= 0, got {list(seeds)}")
    if TUNING_SEED in seeds:
        raise InputError(f"seeds: {TUNING_SEED} is the seed of the tuning; expected others")
    return profile._replace(seeds=seeds)
