"""Ways to hold the number that a plug-in's theory returns, each with an edit of it."""

from typing import NamedTuple


class Way(NamedTuple):
    """head: lines of the plug-in; value: an expression; edit: (old, new) in both.

    beside: files and their texts before and after; HERE is a name that no other way has.
    """

    head: str
    value: str
    edit: tuple[str, str] = ("1.5", "2.5")
    beside: dict[str, tuple[str, str]] = {}  # noqa: RUF012
    params: str = "beta: float"


PLUGIN = '''"""Gradient steps only."""
from typing import NamedTuple

from bilevel_core import Cost, register_solver
from bilevel_core.oracle import grad_y_g

HEAD


class Params(NamedTuple):
    PARAMS


class State(NamedTuple):
    x: object
    y: object


def init(x0, y0):
    return State(x0, y0)


@register_solver("HERE")
def step(oracle, params, state):
    return State(state.x, state.y - params.beta * grad_y_g(oracle, state.x, state.y))


def cost_per_step(params, k):
    return Cost(grad_y_g=1)


def theory(constants, eps):
    return Params(float(VALUE))
'''


def plugin(way, when):
    """The text of a way's plug-in, before (0) or after (1) its edit."""
    name = next((n for n, w in {**WAYS, **HARMLESS}.items() if w is way), "")
    text = PLUGIN.replace("HEAD", way.head).replace("VALUE", way.value)
    text = text.replace("PARAMS", way.params)
    return (text.replace(*way.edit) if when else text).replace("HERE", f"beside_{name}")


def package(before, after, init=""):
    """A package HERE with a module `inner`."""
    return {"HERE/__init__.py": (init, init), "HERE/inner.py": (before, after)}


INNER = package("FACTOR = 1.5\n", "FACTOR = 2.5\n")
FUNCTION = package("def f():\n    return 1.5\n", "def f():\n    return 2.5\n")
LONG = "np.arange(5000.0) * (np.arange(5000) == 2500)"

KNOWN = {
    # Followed before, and to be followed for ever.
    "float": Way("F = 1.5", "F"),
    "array": Way("import numpy as np\nF = np.array([1.5, 0.0])", "F[0]"),
    "helper": Way("def helper():\n    return 1.5", "helper()"),
    "cached": Way(
        "import functools\n\n@functools.cache\ndef helper():\n    return 1.5", "helper()"
    ),
    "jitted": Way("import numba\n\n@numba.njit\ndef helper():\n    return 1.5", "helper()"),
    "default": Way("def helper(x=1.5):\n    return x", "helper()"),
    "keyword": Way("def helper(*, x=1.5):\n    return x", "helper()"),
    "closure": Way("def make(x):\n    return lambda: x\n\nhelper = make(1.5)", "helper()"),
    # The ways that passed silently.
    "module_attribute": Way("import HERE.inner", "HERE.inner.FACTOR", beside=INNER),
    "module_function": Way("import HERE.inner", "HERE.inner.f()", beside=FUNCTION),
    "long_array_in_tuple": Way(f"import numpy as np\nF = ({LONG} * 1.5,)", "F[0].sum() / 2500"),
    "arrays_in_list": Way(f"import numpy as np\nF = [{LONG} * 1.5]", "F[0].sum() / 2500"),
    "arrays_in_dict": Way(f'import numpy as np\nF = {{"a": {LONG} * 1.5}}', 'F["a"].sum() / 2500'),
    "dataclass": Way(
        "import dataclasses\n\n@dataclasses.dataclass\nclass S:\n    a: float\n\nF = S(1.5)", "F.a"
    ),
    "dataclass_default": Way(
        "import dataclasses\n\n@dataclasses.dataclass\nclass S:\n    a: float = 1.5\n", "S().a"
    ),
    "namespace": Way("import types\nF = types.SimpleNamespace(a=1.5)", "F.a"),
    "class_attribute": Way("class S:\n    a = 1.5", "S.a"),
    "set": Way("F = {1.5}", "min(F)"),
    "frozenset": Way('F = frozenset(("a", 1.5))', "[x for x in F if x != 'a'][0]"),
    "fraction": Way("import fractions\nF = fractions.Fraction(3, 2)", "F", ("(3, 2)", "(5, 2)")),
    "decimal": Way('import decimal\nF = decimal.Decimal("1.5")', "F"),
    "partial": Way(
        "import functools\n\ndef times(a, b):\n    return a * b\n\n"
        "F = functools.partial(times, 1.5, b=1.0)",
        "F()",
    ),
    "method": Way("class S:\n    def a(self):\n        return 1.5\n\nF = S()", "F.a()"),
    "property": Way(
        "class S:\n    @property\n    def a(self):\n        return 1.5\n\nF = S()", "F.a"
    ),
    "property_of_params": Way(
        "",
        "Params(1.0).twice",
        params="beta: float\n\n    @property\n    def twice(self):\n        return 1.5",
    ),
    "dict_of_functions": Way('def f():\n    return 1.5\n\nF = {"f": f}', 'F["f"]()'),
    "object_in_theory": Way("class S:\n    def __init__(self):\n        self.a = 1.5", "S().a"),
    # Others.
    "renamed_import": Way("from HERE.inner import FACTOR as G", "G", beside=INNER),
    "star_import": Way("from HERE.inner import *", "FACTOR", beside=INNER),
    "import_in_a_function": Way(
        "def late():\n    from HERE import inner\n    return inner.FACTOR", "late()", beside=INNER
    ),
    "package_of_package": Way(
        "import HERE",
        "HERE.value()",
        beside=package(
            "FACTOR = 1.5\n",
            "FACTOR = 2.5\n",
            "from HERE import inner\n\n\ndef value():\n    return inner.FACTOR\n",
        ),
    ),
    "word_in_getattr": Way("import HERE.inner", 'getattr(HERE.inner, "FACTOR")', beside=INNER),
    "base_class_elsewhere": Way(
        "from HERE.inner import Base\n\n\nclass S(Base):\n    pass",
        "S.a",
        beside=package("class Base:\n    a = 1.5\n", "class Base:\n    a = 2.5\n"),
    ),
    "class_method": Way("class S:\n    @classmethod\n    def a(cls):\n        return 1.5", "S.a()"),
    "enum": Way("import enum\n\n\nclass S(float, enum.Enum):\n    A = 1.5", "S.A.value"),
    "named_tuple_default": Way("class S(NamedTuple):\n    a: float = 1.5", "S().a"),
    "vectorised": Way(
        "import numpy as np\n\n\ndef f(x):\n    return 1.5 * x\n\n\nF = np.vectorize(f)", "F(1.0)"
    ),
    "default_factory": Way(
        "import collections\n\n\ndef f():\n    return 1.5\n\n\nF = collections.defaultdict(f)",
        "F[0]",
    ),
    "deque": Way("import collections\nF = collections.deque([1.5])", "F[0]"),
    "bytes": Way('F = b"1.5"', "F"),
    "complex": Way("F = 1.5 + 0j", "F.real"),
    "bound_method": Way(
        "class S:\n    def __init__(self, a):\n        self.b = a\n\n    def a(self):\n"
        "        return self.b\n\n\nF = S(1.5).a",
        "F()",
    ),
    "slots": Way('class S:\n    __slots__ = ("a",)\n\n\nF = S()\nF.a = 1.5', "F.a"),
    "attribute_of_a_function": Way("def f():\n    return f.a\n\n\nf.a = 1.5", "f()"),
    "decorated": Way(
        "import functools\n\n\ndef twice(f):\n    @functools.wraps(f)\n    def g():\n"
        "        return 2 * f()\n    return g\n\n\n@twice\ndef helper():\n    return 1.5",
        "helper()",
    ),
    "single_dispatch": Way(
        "import functools\n\n\n@functools.singledispatch\ndef f(x):\n    return 0.0\n\n\n"
        "@f.register\ndef _(x: int):\n    return 1.5",
        "f(1)",
    ),
    "operators": Way(
        "class S:\n    def __mul__(self, other):\n        return 1.5 * other\n\n\nF = S()",
        "F * 1.0",
    ),
    "item_getter": Way(
        "import operator\nF = operator.itemgetter(0)", "F([1.5, 2.5])", ("getter(0)", "getter(1)")
    ),
    "pattern": Way('import re\nF = re.compile("1.5")', "F.pattern"),
    "tensor": Way("import torch\nF = torch.tensor([1.5])", "F[0]"),
    "sparse": Way("import scipy.sparse\nF = scipy.sparse.csr_matrix([[1.5]])", "F[0, 0]"),
    "generator_of_numbers": Way(
        "import numpy as np\nF = np.random.default_rng(15)", "F.random()", ("rng(15)", "rng(25)")
    ),
    "file_in_depends": Way(
        'import pathlib\nDEPENDS = ["HERE.txt"]',
        'pathlib.Path(__file__).with_name("HERE.txt").read_text()',
        beside={"HERE.txt": ("1.5", "2.5")},
    ),
    "conditional_import": Way(
        "try:\n    import HERE_missing as inner\nexcept ImportError:\n    from HERE import inner",
        "inner.FACTOR",
        beside=INNER,
    ),
}
"""Ways of which the fingerprint is known, and changes."""

WAYS = KNOWN | {
    "text_file": Way(
        "import pathlib",
        'pathlib.Path(__file__).with_name("HERE.txt").read_text()',
        beside={"HERE.txt": ("1.5", "2.5")},
    ),
    "array_file": Way(
        "import numpy as np\nimport HERE",
        'np.loadtxt(HERE.__file__[:-11] + "a.txt")',
        beside={"HERE/__init__.py": ("", ""), "HERE/a.txt": ("1.5", "2.5")},
    ),
    "file_read_by_a_helper": Way(
        "from HERE import inner",
        "inner.value()",
        beside={
            "HERE/__init__.py": ("", ""),
            "HERE/a.txt": ("1.5", "2.5"),
            "HERE/inner.py": (
                'def value():\n    return float(open(__file__[:-8] + "a.txt").read())\n',
            )
            * 2,
        },
    ),
    "module_made_by_name": Way(
        "import importlib", 'importlib.import_module("HERE.inn" + "er").FACTOR', beside=INNER
    ),
    "name_made_at_run_time": Way(
        "import HERE.inner", 'getattr(HERE.inner, "FACT" + "OR")', beside=INNER
    ),
    "text_that_is_executed": Way('F = compile("1.5", "", "eval")', "eval(F)"),
    "iterator": Way("F = iter([1.5])\nG = (x for x in F)", "next(G)"),
    "depends_on_what_is_not_there": Way('import os\nDEPENDS = ["nowhere.txt"]\nF = 1.5', "F"),
}
"""All ways: of the last ones the provenance is unknown."""

HARMLESS = {
    "comment": Way("F = 1.5  # once", "F", ("once", "twice")),
    "docstring": Way('def f():\n    """Once."""\n    return 1.5', "f()", ("Once", "Twice")),
    "blank_lines": Way("F = 1.5", "F", ("\n\n\ndef init", "\n\n\n\n\n\ndef init")),
    "comment_beside": Way(
        "import HERE.inner",
        "HERE.inner.FACTOR",
        beside=package("FACTOR = 1.5\n", "FACTOR = 1.5  # as it was\n"),
    ),
    "order_of_a_set": Way(
        'F = {"a", "b", "c", "d", 1.5}', "[x for x in F if not isinstance(x, str)][0]", ("", "")
    ),
}
