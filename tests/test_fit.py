"""Exponents read back from counts whose exponents are known."""

import json

import numpy as np
import pytest
from fit_frames import EPSILONS, KAPPAS, NOISE, covers, formula, frame

from bilevel_core.fit import fit
from bilevel_core.fit_cells import mean_covariance, read_cells

# --- the four models on exact counts ---------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "label", "kappa", "eps"),
    [
        (lambda k, e: k**3.5 / e, "power", 3.5, 1.0),
        (lambda k, e: k**5 * e**-1.25, "power", 5.0, 1.25),
        (lambda k, e: k**3.5 / e * np.log(k / e), "power_log log(kappa/eps)", 3.5, 1.0),
        (lambda k, e: k**4 / e * np.log(1 / e), "power_log log(1/eps)", 4.0, 1.0),
        (lambda k, e: k**4 / e * np.log(k**2 / e), "power_log log(kappa^2/eps)", 4.0, 1.0),
        (lambda k, e: k**3.5 / e * np.log(k), "power_log log(kappa)", 3.5, 1.0),
        (lambda k, e: k**3 * (1 + 3 / k) / e, "lower_order", 3.0, 1.0),
        (lambda k, e: k**2 * (5 + np.log(1 / e)), "logarithmic", 2.0, 0.0),
    ],
)
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_every_model_is_chosen_and_read_on_its_own_counts(count, label, kappa, eps, noise):
    f = fit(frame(count, epsilons=(1e-1, 1e-2, 1e-3, 1e-4), noise=noise, spread=20 * noise))
    assert next(iter(f.criteria)) == label
    tolerance = 1e-4 if noise == 0 else 0.12 if label == "lower_order" else 0.02
    assert f.kappa.value == pytest.approx(kappa, abs=tolerance)
    assert f.eps.value == pytest.approx(eps, abs=tolerance)
    assert f.runner_up not in ("", label)
    assert list(f.criteria.values())[1:] == sorted(list(f.criteria.values())[1:])


@pytest.mark.parametrize("model", ["power", "power_log", "lower_order", "logarithmic"])
def test_a_model_can_be_asked_for(model):
    f = fit(frame(lambda k, e: k**3 / e), model=model)
    assert f.model == model
    assert bool(f.offset) == (model == "power_log")


def test_identical_instances_give_an_interval_without_width():
    f = fit(frame(lambda k, e: k**3 / e))
    assert f.kappa.low == pytest.approx(3) == f.kappa.high
    assert f.kappa.model_error == pytest.approx(0, abs=1e-9)
    assert f.asymptotic
    assert f.drift == pytest.approx(0, abs=1e-9)
    assert f.eps_drift == pytest.approx(0, abs=1e-9)


def test_linear_convergence_is_logarithmic_over_five_decades():
    epsilons = [10.0**-p for p in range(1, 6)]
    counts = frame(lambda k, e: np.ceil(k**2 * np.log(1 / e)), epsilons=epsilons)
    f = fit(counts)
    assert f.model == "logarithmic"
    assert f.kappa.value == pytest.approx(2, abs=0.01)
    assert (f.eps.value, f.eps.low, f.eps.high, f.eps.model_error) == (0, 0, 0, 0)
    assert f.eps_drift < -0.15
    assert f.asymptotic


def test_rounded_parameters_are_no_evidence_against_a_power():
    products = dict(zip((8.0, 16.0, 32.0, 64.0), (7, 10, 15, 21), strict=True))
    f = fit(frame(lambda k, e: k**3 * products[k] / e, kappas=products))
    assert f.model == "power"
    assert f.asymptotic
    assert f.kappa.value == pytest.approx(3.53, abs=0.02)
    assert 0.005 < f.kappa.model_error < 0.05


def test_rounding_over_three_levels_is_no_drift():
    products = {8.0: 9, 16.0: 12, 32.0: 17}
    f = fit(frame(lambda k, e: k**3 * products[k] / e, kappas=products))
    assert 0.15 < f.drift < 0.2
    assert f.asymptotic


@pytest.mark.parametrize("epsilons", [(1e-2,), (0.1, 0.01), EPSILONS])
@pytest.mark.parametrize("kappas", [KAPPAS, KAPPAS[1:]])
def test_the_spread_of_cell_means_is_that_of_the_noise(kappas, epsilons):
    frames = (frame(formula, kappas, epsilons, seed=s, **NOISE) for s in range(30))
    variances = [np.diag(mean_covariance(read_cells(counts, "hv"))) for counts in frames]
    assert np.max(variances) < 10 * 0.05**2 / 5
    assert np.mean(variances) == pytest.approx(0.05**2 / 5, rel=0.25)


@pytest.mark.parametrize("epsilons", [(1e-2,), EPSILONS])
def test_the_prescribed_iterations_are_not_asymptotic_at_small_kappa(epsilons):
    counts = frame(formula, kappas=np.geomspace(4, 32, 7), epsilons=epsilons)
    plain = fit(counts, model="power")
    assert plain.kappa.value == pytest.approx(2.80, abs=0.02)
    assert not plain.asymptotic
    f = fit(counts)
    assert f.model == "lower_order"
    assert f.kappa.value == pytest.approx(3, abs=0.15)
    assert not f.asymptotic
    assert f.verdict(3) == "not asymptotic"
    assert f.explain(3).startswith("not asymptotic: local slopes in kappa (2.59, ")
    assert "move by +0.4" in f.explain(3)


def test_a_quadratic_above_a_hundred_is_asymptotic():
    f = fit(frame(lambda k, e: (1 + k) ** 2 / e, kappas=(128.0, 256.0, 512.0, 1024.0)))
    assert f.asymptotic
    assert f.verdict(2) == "matches bound"


def test_noise_does_not_make_a_power_law_drift():
    settled = [
        fit(frame(lambda k, e: k**3 / e, spread=0.2, noise=0.1, seed=s), model="power").asymptotic
        for s in range(40)
    ]
    assert sum(settled) >= 37


# --- local slopes ----------------------------------------------------------------------------


def test_local_slopes_are_those_between_neighbours():
    f = fit(frame(formula, epsilons=(1e-2,)), model="power")
    steps = [np.log2(formula(2 * k) / formula(k)) for k in KAPPAS[:-1]]
    assert f.local_slopes["kappa"] == pytest.approx(steps)
    assert f.local_slopes["eps"] == []
    assert f.levels == {"kappa": KAPPAS, "eps": (1e-2,)}


def test_local_slopes_are_taken_after_the_log_factor():
    f = fit(frame(lambda k, e: k**3.5 / e * np.log(k / e)))
    assert f.local_slopes["kappa"] == pytest.approx([3.5] * 4)
    assert f.local_slopes["eps"] == pytest.approx([1.0] * 2)
    assert f.drift == pytest.approx(0, abs=1e-9)


def test_local_slopes_skip_cells_that_one_level_lacks():
    counts = frame(lambda k, e: k**3 / e)
    counts = counts[~((counts.kappa == 64) & (counts.eps < 0.05))]
    f = fit(counts)
    assert f.local_slopes["kappa"] == pytest.approx([3.0] * 4)
    assert f.cells == 13


# --- one level, missing cells, designs ---------------------------------------------------------


def test_one_level_of_eps_leaves_its_exponent_out():
    f = fit(frame(lambda k, e: k**3, epsilons=(1e-2,), noise=0.05))
    assert f.eps is None
    assert f.kappa.value == pytest.approx(3, abs=0.1)
    assert np.isnan(f.eps_drift)


def test_one_level_of_kappa_leaves_its_exponent_out():
    f = fit(frame(lambda k, e: e**-2.5, kappas=(8.0,), noise=0.05, spread=0.3))
    assert f.kappa is None
    assert f.eps.value == pytest.approx(2.5, abs=0.1)
    assert f.verdict(3) == "not enough data"


def test_one_cell_has_no_exponent():
    f = fit(frame(lambda k, e: 7.0, kappas=(8.0,), epsilons=(0.1,)))
    assert f.kappa is None
    assert f.eps is None
    assert f.predict(8, 0.1) == pytest.approx(7)
    assert f.verdict(3) == "not enough data"


def test_a_cell_with_a_censored_instance_is_left_out_whole():
    counts = frame(lambda k, e: k**3 / e, spread=0.2)
    bad = (counts.kappa == 64) & (counts.eps == 1e-3) & (counts.instance == "2")
    counts.loc[bad, ["status", "hv"]] = ["censored", np.nan]
    f = fit(counts)
    assert f.cells == 14
    assert f.excluded == ((64.0, 1e-3, "of 5: 1 censored"),)
    assert f.kappa.value == pytest.approx(3)
    kept = counts[~((counts.kappa == 64) & (counts.eps == 1e-3))]
    assert fit(kept).kappa == f.kappa


def test_a_missing_count_excludes_like_a_bad_status():
    counts = frame(lambda k, e: k**3 / e).drop(columns="status")
    counts.loc[0, "hv"] = np.nan
    assert fit(counts).excluded == ((4.0, 0.1, "of 5: 1 missing"),)


def test_nothing_left_is_not_enough_data():
    f = fit(frame(lambda k, e: k**3).assign(status="diverged"))
    assert (f.kappa, f.eps, f.cells, len(f.excluded)) == (None, None, 0, 15)
    assert f.verdict(3) == "not enough data"
    assert np.isnan(f.predict(4, 0.1))
    json.dumps(f.to_dict(), allow_nan=False)


def test_kappa_and_eps_that_vary_together_are_not_separated():
    counts = frame(lambda k, e: k**3 / e)
    steps = list(zip(KAPPAS, EPSILONS, strict=False))
    together = counts[[pair in steps for pair in zip(counts.kappa, counts.eps, strict=True)]]
    f = fit(together)
    assert f.cells == 3
    assert (f.kappa, f.eps) == (None, None)
    assert f.verdict(3) == "not enough data"


def test_an_instance_absent_from_some_cells_does_not_tilt_the_exponent():
    counts = frame(lambda k, e: k**3 / e, spread=1.0)
    f = fit(counts[~((counts.instance == "0") & (counts.kappa > 20))])
    assert f.kappa.value == pytest.approx(3)
    assert f.kappa.high - f.kappa.low == pytest.approx(0, abs=1e-9)
    assert f.per_cell == 4


def test_instances_of_their_own_at_every_kappa_carry_their_level_into_the_interval():
    counts = frame(lambda k, e: k**3 / e, spread=0.0, noise=0.0)
    shift = np.random.default_rng(1).normal(0, 0.2, (len(KAPPAS), 5))
    at = counts.kappa.map({k: i for i, k in enumerate(KAPPAS)})
    counts["hv"] *= np.exp(shift[at, counts.instance.astype(int)])
    shared = fit(counts, model="power")
    counts["instance"] = counts.kappa.astype(str) + "/" + counts.instance
    nested = fit(counts, model="power")
    assert nested.instances == 25
    assert nested.per_cell == 5
    assert nested.kappa.value == pytest.approx(shared.kappa.value)
    assert covers(nested.kappa, 3)
    # the eps exponent is untouched by level shifts
    assert nested.eps.high - nested.eps.low == pytest.approx(0, abs=1e-9)


def test_a_single_instance_has_no_interval_over_instances():
    f = fit(frame(lambda k, e: k**3 / e, instances=1))
    assert (f.kappa.low, f.kappa.high) == (-np.inf, np.inf)
    assert f.to_dict()["kappa"]["low"] is None
    assert f.verdict(3) == "not enough data"


def test_the_interval_of_a_power_law_is_students_on_the_instances_own_slopes():
    from scipy import stats

    counts = frame(lambda k, e: k**3 / e, spread=0.3, noise=0.1)
    own = [fit(one, model="power").kappa.value for _, one in counts.groupby("instance", sort=True)]
    expected = stats.t.interval(0.95, 4, np.mean(own), stats.sem(own))
    f = fit(counts, model="power")
    assert (f.kappa.low, f.kappa.high) == pytest.approx(expected)


# --- model error, prediction, JSON ---------------------------------------------------------------


def test_model_error_is_the_change_when_an_end_is_left_out():
    counts = frame(formula, noise=0.02)
    f = fit(counts, model="power")
    without = [fit(counts[counts.kappa != end], model="power") for end in (4, 64)]
    changes = [abs(one.kappa.value - f.kappa.value) for one in without]
    assert f.kappa.model_error == pytest.approx(max(changes))
    assert f.kappa.widened == (
        f.kappa.low - f.kappa.model_error,
        f.kappa.high + f.kappa.model_error,
    )


def test_two_levels_cannot_show_a_model_error():
    assert fit(frame(formula, kappas=(4.0, 8.0)), model="power").kappa.model_error == 0


@pytest.mark.parametrize("model", ["power", "power_log", "lower_order", "logarithmic"])
def test_prediction_returns_the_counts(model):
    truth = {
        "power": lambda k, e: 5 * k**3 / e,
        "power_log": lambda k, e: 5 * k**3 / e * np.log(k / e),
        "lower_order": lambda k, e: 5 * k**3 * (1 + 2 / k) / e,
        "logarithmic": lambda k, e: 5 * k**3 * (2 + np.log(1 / e)),
    }[model]
    f = fit(frame(truth), model=model)
    kappa = np.array([[4.0], [100.0]])
    eps = np.array([0.1, 1e-3, 1e-5])
    assert f.predict(kappa, eps) == pytest.approx(truth(kappa, eps), rel=1e-3)


def test_prediction_is_missing_where_a_log_factor_is():
    f = fit(frame(lambda k, e: k**3 / e * np.log(1 / e)))
    assert f.offset == "log(1/eps)"
    assert np.isnan(f.predict(4, 2.0))


def test_prediction_stays_at_the_only_level():
    f = fit(frame(lambda k, e: k**3 * np.log(k), epsilons=(0.1,)))
    assert f.predict([4, 8], 1e-5) == pytest.approx(f.predict([4, 8], 0.1))


def test_a_fit_is_json_ready():
    f = fit(frame(lambda k, e: k**3 / e, epsilons=(0.1,), noise=0.1))
    text = json.dumps(f.to_dict(), allow_nan=False)
    back = json.loads(text)
    assert back["kappa"]["value"] == f.kappa.value
    assert back["eps"] is None
    assert back["eps_drift"] is None
    assert back["criteria"][back["model"]] == f.chosen.criterion
