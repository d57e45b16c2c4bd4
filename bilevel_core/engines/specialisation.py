"""Compiled forms of the engine's loops for one solver and family, kept on disk.

A specialisation is compiled once and kept in a folder named after the source that it was made from.
"""

from __future__ import annotations

import functools
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
from bilevel_core.fingerprint import Fingerprint, fingerprint, functions_behind
from bilevel_core.ownership import is_users
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
_jitable: dict[Callable[..., Any], str] = {}


def specialise(loop: Callable[..., Any], roots: list[Callable[..., Any]]) -> Any:
    """The compiled form of `loop`, from disk where all that is behind it has not changed.

    What rests on something that no fingerprint follows is compiled anew in each process.

    Raises:
        InputError: Numba is told to compile nothing, or a function of the user's own rests on other
            values than when it was compiled.
    """
    settings: Any = numba.config
    if settings.DISABLE_JIT:
        raise InputError(
            "engine: 'compiled' compiles, which NUMBA_DISABLE_JIT forbids; unset it, or expected "
            "engine 'torch'"
        )
    _make_jitable([loop, *roots])
    named = (loop, *roots)
    if named not in _compiled:
        _compiled[named] = _from_disk(loop, fingerprint(named, *_engine_sources()))
    return _compiled[named]


def _make_jitable(roots: list[Callable[..., Any]]) -> None:
    """Let Numba compile the functions behind the roots, once each."""
    known = kernels.OVERLOADED | lending.REPLACED | {roots[0]}
    for function in functions_behind(roots):
        if function in known:
            continue
        code = fingerprint([function]).code if is_users(function) else ""
        if function not in _jitable:
            inlined = kernels.is_small(function)
            register_jitable(forceinline=inlined, error_model="numpy")(function)
            _jitable[function] = code
        elif _jitable[function] != code:
            raise InputError(
                f"engine: {function.__qualname__!r}, or a value that it uses, has changed since it "
                "was compiled; start a new process, or use engine 'torch'"
            )


@functools.cache
def _engine_sources() -> tuple[str, ...]:
    texts = (path.read_text(encoding="utf-8") for path in SOURCES)
    return (*texts, numba.__version__, np.__version__)


def _from_disk(loop: Callable[..., Any], made_from: Fingerprint) -> Any:
    # Without Python's lock, so that signals are heard while a step does not return.
    compiled = numba.njit(nogil=True, error_model="numpy")(loop)
    if not made_from.unknown:
        code_cache.keep(compiled, made_from.code)
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
