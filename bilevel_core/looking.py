"""When a loop that depends on the data looks whether an instance still needs it.

On the host every pass looks.  A device is looked at now and then only, because a look waits until
all work before it is done; the passes in between go over solved instances under a mask, which
changes neither their values nor their counts.
"""

from __future__ import annotations

from bilevel_core.arrays import Array, any_true

PASSES = 8
"""Passes of a loop between two looks at a device."""


def any_left(unsolved: Array, done: int, every: int) -> bool:
    """Whether a loop goes on after `done` passes: an instance is unsolved, or nobody looks yet.

    unsolved: a bool, or (B,); every: passes between two looks at a device.
    """
    # Only a tensor elsewhere says that it is not the host's; numbers and NumPy arrays always are.
    on_host = getattr(unsolved, "is_cpu", True)
    if on_host or (done > 0 and done % every == 0):
        return any_true(unsolved)
    return True
