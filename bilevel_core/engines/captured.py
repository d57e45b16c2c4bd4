"""One outer step, recorded once and replayed on the same tensors.

A recording holds the kernels that a step launches, not the Python around them.  It may stand for
every later step where that step looks at no value of a tensor and at nothing of k but that it is
not 0: `trial` runs it on tensors without values, with a k of which nothing else is known.  What a
step adds to the ledger on the host is then the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from bilevel_core.autograd import Graph
from bilevel_core.engines.device_streams import Draws, Pools
from bilevel_core.oracle import Oracle

WARM_UPS = 3
"""Steps on copies before a recording: libraries set themselves up at their first calls."""


class Later:
    """A number of outer steps: `offset` more than another, and not 0; more is not known.

    Whatever asks for more gets a TypeError.
    """

    __slots__ = ("offset",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, offset: int = 0) -> None:
        """offset: at least 0."""
        self.offset = offset

    def __eq__(self, other: object) -> bool:
        if type(other) is int and other == 0:
            return False
        raise TypeError(f"whether k = {other!r} is not known")

    def __bool__(self) -> bool:
        return True

    def __add__(self, other: object) -> Later:
        return Later(self.offset + other) if type(other) is int and other >= 0 else NotImplemented

    __radd__ = __add__


class NoValues(NamedTuple):
    """Draws for a batch of tensors without values."""

    def serving(self, active: torch.Tensor) -> NoValues:
        """Itself."""
        return self

    def normals(self, like: torch.Tensor) -> torch.Tensor:
        """Like (n, B) or (B,)."""
        return torch.empty_like(like)

    def whole(self, n: int, like: torch.Tensor) -> torch.Tensor:
        """Like (B,)."""
        return torch.empty_like(like)

    def shares(self, S: int, like: torch.Tensor) -> torch.Tensor:
        """Like (n, B)."""
        return torch.empty_like(like)


class Constant(NamedTuple):
    """What every later step of a run does on the host."""

    ledger: np.ndarray  # int64, (2, slots): what it adds
    counted: dict[str, int]  # fields of the state that count steps, and what it adds to each
    restricts: bool  # whether it charges instances apart


class Recorder(Protocol):
    """Records what `work` would do to tensors, and returns what does it."""

    def __call__(
        self,
        work: Callable[[], None],
        rehearse: Callable[[], None],
        generators: list[torch.Generator],
        device: torch.device,
    ) -> Callable[[], None]:
        """Every tensor and generator is left as it was; `rehearse` does the same to copies."""
        ...


def record_graph(
    work: Callable[[], None],
    rehearse: Callable[[], None],
    generators: list[torch.Generator],
    device: torch.device,
) -> Callable[[], None]:
    """Record work on a CUDA device as a graph; returns its replay.

    The order is that of PyTorch's notes on CUDA graphs: warm-up on a side stream, then capture.
    """
    with torch.cuda.device(device):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                rehearse()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, stream=side):
            work()
    return graph.replay


def trial(step: Callable[..., Any], oracle: Oracle, params: Any, state: Any) -> Constant | None:
    """What all steps at k >= 1 have in common, or None where a recording cannot stand for them."""
    try:
        given = _without_values(oracle)
        before = given.restricted._version
        start = type(state)(*(_unknown(value) for value in state))
        after = step(given, params, start)
        counted = _counted(start, after)
    except (TypeError, NotImplementedError, RuntimeError):
        # It asked for a value or for k; what is wrong with it otherwise shows when it is run.
        return None
    return Constant(given.ledger, counted, given.restricted._version != before)


def _without_values(oracle: Oracle) -> Oracle:
    def bare(tensor: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(tensor, device="meta")

    streams = None if oracle.streams is None else tuple(NoValues() for _ in oracle.streams)
    return Oracle(
        data=_mapped(oracle.data, bare),
        ledger=np.zeros_like(oracle.ledger),
        restricted=bare(oracle.restricted),
        active=None,
        work=_mapped(oracle.work, bare),
        streams=streams,
    )


def _mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """The value with each tensor in it (at any depth of NamedTuples) changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, Graph):
        raise TypeError("a graph of gradients is kept from one step to the next")
    if hasattr(value, "_fields"):
        return type(value)(*(_mapped(part, change) for part in value))
    return value


def _unknown(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.empty_like(value, device="meta")
    if type(value) is int:
        return Later()
    raise TypeError(f"a state of tensors and numbers of steps, not of {type(value).__name__}")


def _counted(start: Any, after: Any) -> dict[str, int]:
    """What a step adds to each field that is a number of steps."""
    counted = {}
    for name, one, other in zip(start._fields, start, after, strict=True):
        if isinstance(one, Later):
            counted[name] = other.offset if isinstance(other, Later) else _refuse(name)
        elif not isinstance(other, torch.Tensor) or one.shape != other.shape:
            _refuse(name)
    return counted


def _refuse(name: str) -> Any:
    raise TypeError(f"{name}: a step changes what kind of thing it is")


class Recording(NamedTuple):
    """A recorded step, and the state whose tensors it writes over."""

    replay: Callable[[], None]
    state: Any
    constant: Constant

    def step(self, oracle: Oracle, state: Any) -> Any:
        """Replay the step; `state` is this recording's own, k apart.  Returns the new one."""
        self.replay()
        oracle.ledger[:] += self.constant.ledger
        numbers = {name: getattr(state, name) + n for name, n in self.constant.counted.items()}
        return state._replace(**numbers)


def record_step(
    step: Callable[..., Any],
    oracle: Oracle,
    params: Any,
    state: Any,
    constant: Constant,
    record: Recorder,
) -> Recording:
    """Record a step from this state on, with what `trial` has found about it.

    The restricted ledger, the work vectors and the streams are the oracle's own.
    """
    own = _copied(state)
    replay = record(
        _writing_over(step, oracle, params, own),
        _writing_over(step, _rehearsal(oracle), params, _copied(state)),
        [stream.generator for stream in oracle.streams or ()],
        state.x.device,
    )
    return Recording(replay, own, constant)


def _copied(state: Any) -> Any:
    return type(state)(*(v.clone() if isinstance(v, torch.Tensor) else v for v in state))


def _rehearsal(oracle: Oracle) -> Oracle:
    """The same oracle with ledgers, work vectors and streams of its own."""

    def streams() -> tuple[Draws | Pools, ...]:
        fresh = (torch.Generator(stream.generator.device) for stream in oracle.streams)
        copies = (_mapped(stream, torch.clone) for stream in oracle.streams)
        return tuple(
            copy._replace(generator=generator)
            for copy, generator in zip(copies, fresh, strict=True)
        )

    return oracle._replace(
        ledger=oracle.ledger.copy(),
        restricted=oracle.restricted.clone(),
        work=_mapped(oracle.work, torch.clone),
        streams=None if oracle.streams is None else streams(),
    )


def _writing_over(
    step: Callable[..., Any], oracle: Oracle, params: Any, state: Any
) -> Callable[[], None]:
    """A function that makes a step from the state's tensors and writes the new ones over them."""
    start = type(state)(*(v if isinstance(v, torch.Tensor) else Later() for v in state))
    # The host's ledger moves by what every replay adds, not once more while recording.
    oracle = oracle._replace(ledger=np.zeros_like(oracle.ledger))

    def work() -> None:
        after = step(oracle, params, start)
        tensors = [
            (old, new)
            for old, new in zip(start, after, strict=True)
            if isinstance(old, torch.Tensor) and new is not old
        ]
        # Copies first: a new tensor may be a view of one that is about to be written over.
        fresh = [new.clone() for _, new in tensors]
        for (old, _), new in zip(tensors, fresh, strict=True):
            old.copy_(new)

    return work
