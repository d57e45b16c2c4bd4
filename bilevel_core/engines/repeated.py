"""Repetitions of a run over noise seeds, seen as one run: their mean is what a theorem bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bilevel_core.engines.chunk import Chunk, Session, is_shared, never, shared_by_all


class RepeatedSession:
    """Sessions in lock-step, whose columns are R repetitions of each instance.

    ||grad Phi||^2 is the mean over an instance's repetitions, and so is the ledger, rounded.
    """

    def __init__(self, sessions: Sequence[Session], repetitions: int) -> None:
        """Columns of all sessions, one after the other: instance by instance, R each."""
        self._sessions = list(sessions)
        self._repetitions = repetitions
        self.batch = sum(session.batch for session in sessions) // repetitions

    @property
    def seconds(self) -> float:
        """Seconds in outer steps of all repetitions."""
        return sum(session.seconds for session in self._sessions)

    def iterate(self) -> np.ndarray:
        """The current x of every repetition, (p, B R)."""
        return np.concatenate([session.iterate() for session in self._sessions], axis=1)

    def advance(self, n: int, is_late: Callable[[], bool] = never) -> Chunk:
        """Run up to n outer steps of every repetition; as many as all of them made.

        The mean is not finite where one repetition's is not, nor where one stopped before others.

        Raises:
            OverflowError: a count has left the whole numbers.
        """
        chunks = [session.advance(n, is_late) for session in self._sessions]
        done = min(len(chunk.squared) for chunk in chunks)
        squared = np.concatenate([chunk.squared[:done] for chunk in chunks], axis=1)
        moved = np.concatenate([chunk.moved for chunk in chunks])
        groups = (self.batch, self._repetitions)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = squared.reshape(done, *groups).mean(axis=2)
        any_moved = moved.reshape(groups).any(axis=1)
        ledgers = _mean_ledgers([chunk.ledgers[: done + 1] for chunk in chunks], groups)
        if any(len(chunk.squared) > done for chunk in chunks) and not is_late():
            # Only one that has left the finite numbers stops; the others are now ahead of it.
            mean[-1] = np.nan
        unknown = _reasons(chunks, squared.reshape(done, *groups))
        return Chunk(mean, ledgers, np.asarray(any_moved), unknown)


def _reasons(chunks: list[Chunk], squared: np.ndarray) -> dict[int, str]:
    """Why the first NaN of each mean is there, by instance; squared: (n, instances, R)."""
    own = [chunk.unknown.get(b, "") for chunk in chunks for b in range(chunk.squared.shape[1])]
    repetitions = squared.shape[2]
    reasons: dict[int, str] = {}
    for b in np.flatnonzero(np.isnan(squared).any(axis=(0, 2))).tolist():
        bad = np.isnan(squared[:, b])
        at_first = bad[np.argmax(bad.any(axis=1))]
        told = [own[b * repetitions + i] for i in np.flatnonzero(at_first)]
        reasons |= {b: told[0]} if all(told) else {}
    return reasons


def _mean_ledgers(own: list[np.ndarray], groups: tuple[int, int]) -> np.ndarray:
    if len(own) == 1 and is_shared(own[0]):
        # All repetitions of all instances have one ledger, which is their mean.
        ledger = _checked(own[0][:, 0])
        return shared_by_all(ledger, groups[0])
    return _rounded_mean(_checked(np.concatenate(own, axis=1)), groups)


def _checked(ledgers: np.ndarray) -> np.ndarray:
    if (ledgers < 0).any():
        raise OverflowError("more than 9.2e18 samples, which the ledger's int64 cannot hold")
    return ledgers


def _rounded_mean(ledgers: np.ndarray, groups: tuple[int, int]) -> np.ndarray:
    """The mean over repetitions, rounded half up, without leaving the whole numbers."""
    grouped = ledgers.reshape(len(ledgers), *groups, *ledgers.shape[2:])
    repetitions = groups[1]
    # A sum of large counts could leave int64; quotients and remainders cannot.
    whole, left = np.divmod(grouped, repetitions)
    return np.asarray(whole.sum(axis=2) + (2 * left.sum(axis=2) + repetitions) // (2 * repetitions))
