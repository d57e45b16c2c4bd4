"""Values that no public function expects, by name, each made anew by a call."""

import collections
import datetime
import decimal
import fractions
import math
import types

import numpy as np
import pandas as pd
import torch

DEPTH = 1000


def raising(*names, error=RuntimeError, base=object):
    """An object whose special methods all raise."""

    def fail(self, *arguments):
        raise error("x" * 100_000)

    return type("Raising", (base,), dict.fromkeys(names, fail))()


def lying(**answers):
    """An object whose special methods give what they should not."""
    members = {name: (lambda self, *a, answer=v: answer) for name, v in answers.items()}
    return type("Lying", (), members)()


def nested(make):
    value = make(None)
    for _ in range(DEPTH):
        value = make(value)
    return value


def subclass(base, value):
    """A number or text whose own methods raise."""
    names = ("__repr__", "__eq__", "__hash__", "__float__", "__int__", "__str__", "__lt__")
    fail = {name: raising("__call__").__call__ for name in names}
    return type("Own", (base,), fail)(value)


class Recursive:
    def __repr__(self):
        return repr([self])


class FailingMapping(collections.abc.Mapping):
    def __getitem__(self, key):
        raise RuntimeError("no")

    def __iter__(self):
        raise SystemError("no")

    def __len__(self):
        return 3


class FailingSequence(collections.abc.Sequence):
    def __getitem__(self, index):
        raise RuntimeError("no")

    def __len__(self):
        return -1


EVERY = [
    *("__repr__", "__str__", "__eq__", "__hash__", "__len__", "__iter__", "__float__", "__int__"),
    *("__index__", "__bool__", "__array__", "__call__", "__getitem__", "__lt__", "__contains__"),
]

HOSTILE = {
    "None": lambda: None,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "huge int": lambda: 10**400,
    "huger int": lambda: 10**6000,
    "-1": lambda: -1,
    "0": lambda: 0,
    "-0.0": lambda: -0.0,
    "tiny": lambda: 5e-324,
    "True": lambda: True,
    "False": lambda: False,
    "1.5": lambda: 1.5,
    "complex": lambda: 1 + 2j,
    "empty text": lambda: "",
    "long text": lambda: "x" * 10**5,
    "escape": lambda: "\x1b[31mred",
    "lines": lambda: "a\nb\r\n\u2028c",
    "nul": lambda: "a\0b.py:c",
    "surrogate": lambda: "\ud800",
    "path": lambda: "a/b",
    "file": lambda: "nowhere.py:y",
    "long file": lambda: "x" * 10**5 + ".py:y",
    "import": lambda: "antigravity_not_there:x",
    "dots": lambda: "..:x",
    "colon": lambda: ":",
    "spaces": lambda: "a b",
    "digits": lambda: "12",
    "bytes": lambda: b"\xff\x00",
    "long bytes": lambda: bytes(10**5),
    "bytearray": lambda: bytearray(b"abc"),
    "memoryview": lambda: memoryview(b"abc"),
    "object": object,
    "lambda": lambda: lambda *a, **k: None,
    "lambda that raises": lambda: raising("__call__").__call__,
    "class": lambda: Recursive,
    "int class": lambda: int,
    "builtin": lambda: len,
    "module": lambda: math,
    "generator": lambda: (i for i in range(3)),
    "iterator": lambda: iter([1, 2]),
    "empty list": list,
    "empty dict": dict,
    "dict": lambda: {"a": 1},
    "dict of numbers": lambda: {1: 2, None: 3},
    "long dict": lambda: {f"key{i}": i for i in range(10**4)},
    "set": lambda: {1, 2},
    "frozenset": lambda: frozenset({0.1}),
    "range": lambda: range(3),
    "long list": lambda: [0.5] * 10**5,
    "mixed list": lambda: [0.1, None, "x", True],
    "nested list": lambda: nested(lambda inner: [inner]),
    "nested tuple": lambda: nested(lambda inner: (inner,)),
    "nested dict": lambda: nested(lambda inner: {"a": inner}),
    "loop": lambda: (lambda own: own.append(own) or own)([]),
    "slice": lambda: slice(1, 2),
    "ellipsis": lambda: ...,
    "type error": lambda: TypeError("x" * 10**5),
    "namespace": lambda: types.SimpleNamespace(a=1),
    "raising": lambda: raising(*EVERY),
    "exiting": lambda: raising(*EVERY, error=SystemExit),
    "raising repr": lambda: raising("__repr__"),
    "recursive repr": Recursive,
    "long repr": lambda: lying(__repr__="y" * 10**6),
    "no repr": lambda: lying(__repr__=None),
    "raising attributes": lambda: raising("__getattribute__"),
    "equal to all": lambda: lying(__eq__=True, __hash__=0, __bool__=True, __float__=1.0),
    "lying number": lambda: lying(__float__="1", __int__=None, __index__=-1, __len__=10**30),
    "lying array": lambda: lying(__array__=None),
    "own int": lambda: subclass(int, 2),
    "own float": lambda: subclass(float, 0.5),
    "own text": lambda: subclass(str, "hard"),
    "failing mapping": FailingMapping,
    "failing sequence": FailingSequence,
    "Fraction": lambda: fractions.Fraction(1, 3),
    "Decimal": lambda: decimal.Decimal("NaN"),
    "date": lambda: datetime.date(2020, 1, 1),
    "timedelta": lambda: datetime.timedelta(1),
    "int64": lambda: np.int64(2),
    "float32": lambda: np.float32(0.5),
    "longdouble": lambda: np.longdouble("1e4000"),
    "bool_": lambda: np.bool_(True),
    "str_": lambda: np.str_("aid_bio"),
    "complex64": lambda: np.complex64(1j),
    "datetime64": lambda: np.datetime64("2020-01-01"),
    "0-d array": lambda: np.array(0.5),
    "0-d text": lambda: np.array("x"),
    "array": lambda: np.array([0.5, 0.25]),
    "empty array": lambda: np.array([]),
    "array of shape (2, 3)": lambda: np.ones((2, 3)),
    "array of shape (2, 0)": lambda: np.ones((2, 0)),
    "deep array": lambda: np.ones((1,) * 32),
    "large array": lambda: np.zeros(10**6),
    "complex array": lambda: np.array([1j, 2]),
    "array of texts": lambda: np.array(["0.1", "y"]),
    "array of objects": lambda: np.array([None, raising("__float__")], dtype=object),
    "structured array": lambda: np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]),
    "masked array": lambda: np.ma.masked_array([0.5, 0.1], [True, False]),
    "masked": lambda: np.ma.masked,
    "float16 array": lambda: np.array([0.5, 0.1], dtype=np.float16),
    "matrix": lambda: np.asmatrix([[0.5, 0.1]]),
    "Series": lambda: pd.Series([0.5, 0.1]),
    "empty frame": pd.DataFrame,
    "frame": lambda: pd.DataFrame({"a": [1, 2]}),
    "NA": lambda: pd.NA,
    "NaT": lambda: pd.NaT,
    "Timestamp": lambda: pd.Timestamp("2020-01-01"),
    "tensor": lambda: torch.tensor([0.5, 0.1]),
    "0-d tensor": lambda: torch.tensor(0.5),
    "grad tensor": lambda: torch.tensor([0.5, 0.1], dtype=torch.float64, requires_grad=True),
    "complex tensor": lambda: torch.tensor([1j, 2]),
    "int tensor": lambda: torch.tensor([1, 2]),
    "meta tensor": lambda: torch.ones(2, device="meta"),
    "sparse tensor": lambda: torch.eye(2).to_sparse(),
    "dtype": lambda: np.dtype(float),
}


def repeats(message, value):
    """Whether a message repeats more than a hundred characters of a value."""
    if type(value) is bytes:
        return "x00" * 34 in message
    text = value if type(value) is str else str(10**400) if type(value) is int else "y" * 101
    return "x" * 101 in message or (len(text) > 100 and text[:101] in message)
