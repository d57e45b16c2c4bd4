"""Compiled forms of the engine's loops for one solver and family, kept on disk.

A specialisation is compiled once and kept in a folder named after the source that it was made from.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from bilevel_core.engines import (
    arena,
    array_kernels,
    batch_kernels,
    code_cache,
    kernels,
    lending,
    matrix_kernels,
    product_kernels,
    random_kernels,
    vector_products,
)
from bilevel_core.errors import InputError
from bilevel_core.fingerprint import fingerprint, functions_behind
from bilevel_core.solvers import Solver

SOURCES = tuple(
    Path(str(module.__file__))
    for module in (
        arena,
        array_kernels,
        batch_kernels,
        kernels,
        lending,
        matrix_kernels,
        product_kernels,
        random_kernels,
        vector_products,
    )
)
"""Files whose text decides what compiled code does, beside the functions that it is made from."""

_compiled: dict[tuple[Callable[..., Any], ...], Any] = {}
_codes: dict[tuple[Any, ...], Callable[..., Any]] = {}
_jitable: set[Callable[..., Any]] = set()


def specialise(loop: Callable[..., Any], roots: list[Callable[..., Any]]) -> Any:
    """The compiled form of `loop`, from disk where the source behind it has not changed.

    Raises:
        InputError: Numba is told to compile nothing.
    """
    settings: Any = numba.config
    if settings.DISABLE_JIT:
        raise InputError(
            "engine: 'compiled' compiles, which NUMBA_DISABLE_JIT forbids; unset it, or expected "
            "engine 'torch'"
        )
    named = (loop, *roots)
    if named not in _compiled:
        _compiled[named] = _from_disk(loop, roots)
    return _compiled[named]


def _from_disk(loop: Callable[..., Any], roots: list[Callable[..., Any]]) -> Any:
    known = kernels.OVERLOADED | lending.REPLACED | _jitable | {loop}
    for function in functions_behind([loop, *roots]):
        if function not in known:
            inlined = kernels.is_small(function)
            register_jitable(forceinline=inlined, error_model="numpy")(function)
            _jitable.add(function)
    key = fingerprint(
        (loop, *roots),
        *(path.read_text(encoding="utf-8") for path in SOURCES),
        numba.__version__,
        np.__version__,
    )
    # Without Python's lock, so that signals are heard while a step does not return.
    compiled = numba.njit(nogil=True, error_model="numpy")(loop)
    code_cache.keep(compiled, key)
    return compiled


def specialise_solver(
    loop: Callable[..., Any], solver: Solver, params: Any, functions: list[Callable[..., Any]]
) -> Any:
    """The compiled form of a loop around a solver's step; functions: of the family.

    Raises:
        InputError: the class of the parameters belongs to another solver, too.
    """
    if kernels.STEPS.setdefault(type(params), solver.step) is not solver.step:
        raise InputError(f"solver {solver.name!r}: its class Params belongs to another solver, too")
    return specialise(loop, [solver.step, *functions])


def code_for(specialised: Any, arguments: tuple[Any, ...], shapes: Any) -> Callable[..., Any]:
    """The code of a specialisation for arguments of these types, compiled or loaded if need be.

    It does not look at the types again.  Numba tells named tuples apart by the names of their class
    and parts alone: of two solvers with alike states in a process, each call of the second would
    take half a millisecond to find out.

    shapes: that argument which stands for itself (`known_shapes`).
    """
    wanted = (specialised, shapes, *(_kind(value) for value in arguments if value is not shapes))
    if wanted not in _codes:
        types = tuple(map(specialised.typeof_pyval, arguments))
        _codes[wanted] = specialised.compile(types)
    return _codes[wanted]


def _kind(value: Any) -> Any:
    """What decides Numba's type of a value, found in a small part of Numba's time."""
    if isinstance(value, np.ndarray):
        flags = value.flags
        return value.dtype, value.ndim, flags.c_contiguous, flags.f_contiguous, flags.writeable
    if isinstance(value, tuple):
        return (type(value), *map(_kind, value))
    return type(value)
