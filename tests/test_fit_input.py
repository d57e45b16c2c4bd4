"""What a fit refuses, and what it leaves as it was."""

import numpy as np
import pandas as pd
import pytest
from fit_frames import frame

from bilevel_core.errors import InputError
from bilevel_core.fit import collapse, fit


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop(columns="eps"), "no column 'eps'; it has: kappa, instance, status, hv"),
        (lambda d: d.iloc[:0], "df is empty"),
        (lambda d: d.assign(kappa=0.0), "'kappa' must be finite and > 0, got 0"),
        (lambda d: d.assign(eps=-0.1), "'eps' must be finite and > 0, got -0.1"),
        (lambda d: d.assign(hv=0), "'hv' must be finite and > 0 to have an exponent, got 0"),
        (lambda d: d.assign(hv="many"), "column 'hv' must hold numbers"),
        (lambda d: d.assign(instance="0"), "5 rows for kappa=4, eps=0.1, instance='0'"),
        (
            lambda d: d.assign(solver=np.where(d.kappa > 8, "ba", "aid_bio")),
            r"2 values of 'solver' \(aid_bio, ba\); select one",
        ),
    ],
)
def test_bad_frames_are_refused_in_one_line(change, message):
    with pytest.raises(InputError, match=message):
        fit(change(frame(lambda k, e: k**3 / e)))


def test_unknown_names_are_refused():
    counts = frame(lambda k, e: k**3 / e)
    with pytest.raises(InputError, match="no column 'hvp'; it has: kappa"):
        fit(counts, y="hvp")
    with pytest.raises(InputError, match="no model 'cubic'; expected auto, power, power_log"):
        fit(counts, model="cubic")
    with pytest.raises(InputError, match="no column 'outer'"):
        collapse(counts)


def test_a_model_that_the_cells_cannot_carry_is_refused():
    counts = frame(lambda k, e: k**3 / e, kappas=(4.0, 8.0), epsilons=(0.1,))
    with pytest.raises(
        InputError, match=r"'lower_order' needs three levels of kappa; .* kappa 4, 8"
    ):
        fit(counts, model="lower_order")
    with pytest.raises(InputError, match="'logarithmic' needs two levels of eps"):
        fit(counts, model="logarithmic")
    large = frame(lambda k, e: k**3 / e, kappas=(0.5, 0.25), epsilons=(2.0, 4.0))
    with pytest.raises(InputError, match="'power_log' needs eps < 1 or kappa > 1"):
        fit(large, model="power_log")


def test_input_is_not_changed_and_its_order_does_not_matter():
    counts = frame(lambda k, e: k**3 / e, noise=0.1)
    before = counts.copy()
    shuffled = counts.sample(frac=1, random_state=0)
    assert fit(counts).kappa.value == pytest.approx(fit(shuffled).kappa.value, abs=1e-12)
    pd.testing.assert_frame_equal(counts, before)


def test_importing_the_module_is_light():
    import subprocess
    import sys

    code = "import sys, bilevel_core.fit; print(sorted({'pandas', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
