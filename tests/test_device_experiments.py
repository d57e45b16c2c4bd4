"""Every method of every experiment on the torch engine: as on a device, without one.

Tensors on "meta" mix with no tensor of the host, as those of a CUDA device do not, and have no
values to look at.
"""

import dataclasses

import numpy as np
import pytest
import torch
from devices import NoCopies, on_meta
from draws import one_thread  # noqa: F401

from bilevel_core import solvers
from bilevel_core.engines.torch_steps import TorchSteps
from bilevel_core.experiments import fewshot_task, hypercleaning_task, newsgroups_task
from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.training import train

CLEANING = hypercleaning_task.Settings(
    0.4, samples=30, held=20, inner_steps=2, linear_steps=2, batch_steps=2, batch=4, most=3
)
SETTINGS = {
    "fewshot": (
        fewshot_task,
        fewshot_task.Settings(
            ways=2, queries=1, tasks=2, width=3, inner_steps=2, linear_steps=2, maml_steps=2,
            exam_episodes=3, exam_queries=1,
        ),
    ),
    "hypercleaning": (hypercleaning_task, CLEANING),
    "hypercleaning in place": (hypercleaning_task, dataclasses.replace(CLEANING, visits=2)),
    "newsgroups": (
        newsgroups_task,
        newsgroups_task.Settings(inner_steps=2, linear_steps=2, batch_steps=2, batch=4, most=3),
    ),
}  # fmt: skip
SEVEN = ("stocbio", "bsa", "ttsa", "aid_bio", "aid_fp", "itd_bio", "hoag")
LOOK_AT_VALUES = {
    *((name, "hoag") for name in SETTINGS),  # its loops end by a tolerance
    *(("newsgroups", name) for name in SEVEN),  # torch has no sparse product without values
}


def task_of(name):
    module, settings = SETTINGS[name]
    return module.task(settings, 0).on("torch")


@pytest.fixture(scope="module")
def tasks(tiny_data):
    return {name: task_of(name) for name in SETTINGS}


def cases(without=()):
    """Every method of every task; the names are those that a task has on any data."""
    others = {
        "fewshot": ("aid_bio", "ba", "itd_bio", "fo_itd_bio", "anil", "maml"),
        "hypercleaning in place": hypercleaning_task.ABLATED,
    }
    every = [(name, method) for name in SETTINGS for method in others.get(name, SEVEN)]
    return [case for case in every if case not in without]


def test_no_method_is_left_out(tasks):
    found = {(name, method.name) for name, task in tasks.items() for method in task.methods}
    assert found == set(cases())


def solver_of(task, name):
    method = task.method(name)
    solver = solvers.get(method.solver)
    point = {key: values[0] for key, values in method.grid.items()}
    return solver, solvers.make_params(solver, method.at(point))


def trained(task, method, device="cpu"):
    solver, params = solver_of(task, method)
    return train(task, solver, params, 0, Budget("samples", 1e9, 3), 2, device)


@pytest.mark.parametrize(("name", "method"), cases())
def test_a_method_trains_on_the_torch_engine(tasks, name, method):
    found = trained(tasks[name], method)
    assert (found.status, found.total["outer"]) == ("censored", 3)
    first, last = found.curve[0]["metrics"], found.curve[-1]["metrics"]
    assert all(value is not None and np.isfinite(value) for value in last.values())
    assert first != last


@pytest.mark.parametrize(("name", "method"), cases(without=LOOK_AT_VALUES))
def test_a_step_stays_on_its_device(tasks, name, method):
    task = tasks[name]
    solver, params = solver_of(task, method)
    opened = TorchSteps(task.problem, solver, params, 0 if solver.is_random else None)
    if task.refresh is not None:
        opened.refresh(task.refresh)
    oracle, params, state = on_meta(opened)
    with torch.no_grad(), NoCopies():
        state = solver.step(oracle, params, state)
    assert state.x.device.type == "meta"
    assert oracle.ledger.any()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize(("name", "method"), cases())
def test_a_method_trains_on_a_device_as_on_the_cpu(tasks, name, method):
    wanted, found = (trained(tasks[name], method, device) for device in ("cpu", "cuda"))
    assert (found.status, found.total["calls"]) == (wanted.status, wanted.total["calls"])
    is_random = solver_of(tasks[name], method)[0].is_random
    for before, after in zip(wanted.curve, found.curve, strict=True):
        if is_random:  # its numbers are drawn on the device, and are others than on the CPU
            assert all(np.isfinite(value) for value in after["metrics"].values())
        else:
            assert after["metrics"] == pytest.approx(before["metrics"], rel=1e-5, abs=1e-5)
