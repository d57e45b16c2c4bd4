"""Settings of a search: what is allowed, what is refused, and what they stand for."""

import math

import pytest

from bilevel_core import InputError
from bilevel_core.tuning import Settings, settings_from


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"candidate": 3}, "no tuning key 'candidate'; did you mean 'candidates'"),
        ({"cost": "call"}, "no tuning.cost 'call'; did you mean 'calls'.*samples, seconds"),
        ({"hv": -1.0}, r"tuning.hv: expected a finite number >= 0, got -1.0"),
        ({"gc_f": math.inf}, "tuning.gc_f: expected a finite number"),
        ({"gc_f": 0, "gc_g": 0, "jv": 0, "hv": 0}, "one of gc_f, gc_g, jv, hv has to be > 0"),
        ({"keep": 1.0}, "tuning.keep: expected a number from 0.05 to 0.9, got 1.0"),
        ({"keep": "third"}, "tuning.keep.*got 'third'"),
        ({"tolerance": 0.9}, "tuning.tolerance: expected a finite number >= 1"),
        ({"budget": 0}, "tuning.budget: expected a finite number > 0, got 0"),
        ({"candidates": 2.5}, "tuning.candidates: expected an integer from 0"),
        ({"candidates": True}, "tuning.candidates"),
        ({"instances": 0}, "tuning.instances: expected an integer from 1 to 1000, got 0"),
        ({"held_out": 0}, "tuning.held_out: expected an integer from 1"),
        ({"searches": 0}, "tuning.searches: expected an integer from 1"),
        ({"seed": -1}, "tuning.seed: expected an integer from 0"),
    ],
)
def test_settings_that_are_not_allowed(given, message):
    with pytest.raises(InputError, match=message):
        settings_from(given, is_random=False)


def test_settings_default_to_the_ledger_that_a_solver_pays_in():
    assert settings_from({}, is_random=False).cost == "calls"
    assert settings_from({}, is_random=True).cost == "samples"
    assert settings_from({"cost": "calls"}, is_random=True).cost == "calls"


def test_seeds_are_three_sets():
    settings = Settings(instances=4, held_out=2)
    assert settings.tuning_seeds == (1000, 1001, 1002, 1003)
    assert settings.held_out_seeds == (2000, 2001)


def test_flat_keys_become_weights():
    settings = settings_from({"hv": 2, "jv": 0}, is_random=False)
    assert settings.weights == {"gc_f": 1.0, "gc_g": 1.0, "jv": 0.0, "hv": 2.0}
    assert settings_from(settings.to_dict(), is_random=True) == settings
