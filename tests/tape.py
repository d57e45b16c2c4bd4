"""What a CUDA graph does, on the CPU: record the operations of a step, do them again in place."""

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Keeps every operation with the very tensors and numbers it had, and undoes what it did."""

    def __init__(self):
        super().__init__()
        self.operations = []
        self.before = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for argument, value in zip(func._schema.arguments, args, strict=False):
            written = argument.alias_info is not None and argument.alias_info.is_write
            if written and id(value) not in self.before:
                self.before[id(value)] = (value, value.clone())
        out = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, out))
        return out

    def undo(self):
        """Bring back what was written over, the first writing last."""
        for tensor, was in reversed(self.before.values()):
            tensor.copy_(was)

    def replay(self):
        """Do it all again: a view stays where it is, a new tensor is written where it was."""
        for func, args, kwargs, out in self.operations:
            aliases = [returned.alias_info for returned in func._schema.returns]
            if any(alias is not None and not alias.is_write for alias in aliases):
                continue
            again = func(*args, **kwargs)
            if not any(aliases):
                for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                    old.copy_(new)


def record_tape(work, rehearse, generators, device):
    """A recorder for `bilevel_core.engines.captured` that needs no CUDA device."""
    rehearse()
    states = [generator.get_state() for generator in generators]
    tape = Tape()
    with tape:
        work()
    tape.undo()
    for generator, state in zip(generators, states, strict=True):
        generator.set_state(state)
    return tape.replay
