"""Sweeps of random solvers: the same counts whatever the workers and the order of runs."""

from bilevel_core.sweep import merge, runner, specification, store

TABLE = {
    "name": "noise",
    "grid": [
        {
            "problem": "hard",
            "options": {"noise": "gaussian", "sigma": 0.3},
            "solvers": ["stocbio", "bsa"],
            "kappa": [2, 3],
            "eps": [0.3, 0.2],
            "seeds": [0, 1],
            "noise_seeds": [0, 4],
            "policy": "sharp",
        }
    ],
}


def outcomes(directory):
    return [merge.outcome(record.to_dict()) for record in store.records(directory)]


def test_workers_and_order_change_no_count(tmp_path):
    runner.sweep(specification.parse(TABLE), tmp_path / "one", jobs=1)
    runner.sweep(specification.parse(TABLE), tmp_path / "two", jobs=2)
    backwards = {**TABLE["grid"][0], "kappa": [3, 2], "seeds": [1, 0]}
    for part in (backwards, {**backwards, "solvers": ["bsa"]}):
        runner.sweep(specification.parse({**TABLE, "grid": [part]}), tmp_path / "back", jobs=1)
    assert outcomes(tmp_path / "one") == outcomes(tmp_path / "two") == outcomes(tmp_path / "back")


def test_noise_seeds_are_kept_with_the_run_and_change_it(tmp_path):
    runner.sweep(specification.parse(TABLE), tmp_path / "a")
    other = {**TABLE["grid"][0], "noise_seeds": [1, 2]}
    runner.sweep(specification.parse({**TABLE, "grid": [other]}), tmp_path / "b")
    a, b = (list(store.records(tmp_path / name)) for name in "ab")
    assert {record.config.noise_seeds for record in a} == {(0, 4)}
    assert {record.config.noise_seeds for record in b} == {(1, 2)}
    assert sorted(r.hits[-1]["outer"] for r in a) != sorted(r.hits[-1]["outer"] for r in b)
