"""Pickles of arrays are read; those that ask for anything else are refused, and nothing runs."""

import collections
import io
import os
import pickle
import pickletools
import struct
import subprocess

import numpy as np
import pytest

from bilevel_core.errors import InputError
from problems.datasets import pickled_values, unpickle

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def written(tmp_path, content):
    path = tmp_path / "file.pickle"
    path.write_bytes(content)
    return path


def refusal(tmp_path, content):
    """The one line that reading it ends in."""
    with pytest.raises(InputError) as error:
        unpickle.load(written(tmp_path, content))
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        ARRAY,
        np.asfortranarray(ARRAY),
        np.arange(5),
        np.linspace(0.0, 1.0, 7).astype(">f4"),
        np.array(["ab", "c"]),
        np.zeros((0, 3)),
        np.array(True),
    ],
    ids=["uint8", "fortran", "int64", "big-endian", "text", "empty", "scalar"],
)
def test_arrays_are_read(tmp_path, array, protocol):
    got = unpickle.load(written(tmp_path, pickle.dumps({"data": array}, protocol=protocol)))
    assert got["data"].dtype == array.dtype
    np.testing.assert_array_equal(got["data"], array)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_containers_are_read(tmp_path, protocol):
    content = {
        "labels": [1, 2, 3],
        "names": ("a", "b"),
        "number": np.int64(3),
        "share": np.float32(0.5),
        "raw": b"\x00\xff",
        "nested": {"deep": [ARRAY]},
        "ordered": collections.OrderedDict(a=1),
        "nothing": None,
    }
    got = unpickle.load(written(tmp_path, pickle.dumps(content, protocol=protocol)))
    np.testing.assert_array_equal(got["nested"]["deep"][0], ARRAY)
    assert {**got, "nested": None} == {**content, "nested": None}


def python_2(
    shape=b"K\x02K\x03\x86", raw=b"abcdef", kind=b"U\x02u1", module=b"numpy.core.multiarray"
):
    """What Python 2 and NumPy 1 write for {"data": an array, "labels": [0, 1]}."""
    array = (
        b"c" + module + b"\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01" + shape + b"cnumpy\ndtype\n(" + kind + b"K\x00K\x01tR"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U" + bytes([len(raw)]) + raw + b"tb"
    )
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels](K\x00K\x01eu."


def test_python_2_is_read(tmp_path):
    got = unpickle.load(written(tmp_path, python_2()))
    np.testing.assert_array_equal(got["data"], np.frombuffer(b"abcdef", np.uint8).reshape(2, 3))
    assert got["labels"] == [0, 1]


def test_arrays_cannot_be_written_to(tmp_path):
    got = unpickle.load(written(tmp_path, pickle.dumps(ARRAY)))
    with pytest.raises(ValueError, match="read-only"):
        got[0, 0, 0] = 1


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


HOSTILE_CALLS = {
    "os.system": (os.system, "echo ran"),
    "subprocess": (subprocess.Popen, ["echo", "ran"]),
    "eval": (eval, "1 + 1"),
    "exec": (exec, "x = 1"),
    "getattr": (getattr, ARRAY, "tofile"),
    "open": (open, "/etc/hostname"),
    "import": (__import__, "os"),
    "numpy.load": (np.load, "other.npy"),
    "numpy.fromfile": (np.fromfile, "/etc/hostname"),
    "bytearray": (bytearray, 10**12),
    "pickle.loads": (pickle.loads, b"N."),
    "ndarray": (np.ndarray, (10**9,)),
    "Unpickler": (pickle.Unpickler, io.BytesIO),
}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("call", HOSTILE_CALLS.values(), ids=HOSTILE_CALLS.keys())
def test_calls_are_refused(tmp_path, monkeypatch, call, protocol):
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    content = pickle.dumps({"data": Calls(*call)}, protocol=protocol)
    assert "not read" in refusal(tmp_path, content)
    assert not ran


def named(module, name, *operations):
    """A pickle that names something and then does operations."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"".join(operations) + b"."


CALL_WITH_TEXT = (b"X\x04\x00\x00\x00echo", b"\x85R")

HOSTILE_PROGRAMS = {
    "a name with dots": named("numpy", "ndarray.tofile", *CALL_WITH_TEXT),
    "a name by STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04echo\x85R.",
    "INST": b"(S'echo'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'echo'\no.",
    "NEWOBJ": named("collections", "OrderedDict", b")\x81"),
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent id": b"Pname\n.",
    "a buffer from outside": b"\x80\x05\x97.",
    "codecs with another codec": named(
        "_codecs", "encode", b"X\x01\x00\x00\x00aX\x0a\x00\x00\x00zlib_codec\x86R"
    ),
    "codecs of bytes": named("_codecs", "encode", b"C\x01aX\x06\x00\x00\x00latin1\x86R"),
    "codecs.decode": named("_codecs", "decode", *CALL_WITH_TEXT),
    "numpy.ndarray called": named("numpy", "ndarray", b"K\x05\x85\x85R"),
    "state of a function": named("_codecs", "encode", b"}X\x01\x00\x00\x00aK\x01sb"),
    "attributes of a function": named("_codecs", "encode", b"N}X\x05\x00\x00\x00_callK\x01s\x86b"),
    "dtype of objects": named("numpy", "dtype", b"X\x01\x00\x00\x00O\x85R"),
    "dtype of a name": named("numpy", "dtype", b"X\x07\x00\x00\x00float64\x85R"),
    "dtype of a structure": named("numpy", "dtype", b"X\x05\x00\x00\x00u1,u1\x85R"),
    "an array that is none": named("numpy.core.multiarray", "_reconstruct", b"NK\x00\x85NtR"),
    "a function as data": named("_codecs", "encode"),
    "a huge memo": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "a text that is longer than the file": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"a.",
    "an array that is cut": pickle.dumps(ARRAY, protocol=2)[:-8],
    "no pickle": b"PK\x03\x04 nothing of the kind",
    "nothing at all": b"",
    "a list within itself": b"\x80\x02]q\x00h\x00a.",
}


@pytest.mark.parametrize("content", HOSTILE_PROGRAMS.values(), ids=HOSTILE_PROGRAMS.keys())
def test_programs_are_refused(tmp_path, content):
    refusal(tmp_path, content)
    # And nothing is left of it for the next file.
    got = unpickle.load(written(tmp_path, pickle.dumps(ARRAY, protocol=2)))
    np.testing.assert_array_equal(got, ARRAY)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"raw": b"abcde"}, "in 5 bytes"),
        ({"shape": b"J\xff\xff\xff\xffK\x06\x86"}, "shape"),
        ({"shape": b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"}, "bytes"),
        ({"shape": b"K\x06"}, "shape is no tuple"),
        ({"kind": b"U\x02O8"}, "type 'O8'"),
        ({"kind": b"U\x02V6"}, "type 'V6'"),
        ({"module": b"numpy.core.umath"}, "which no array needs"),
    ],
)
def test_arrays_that_do_not_add_up_are_refused(tmp_path, changed, message):
    assert message in refusal(tmp_path, python_2(**changed))


def test_object_arrays_are_refused(tmp_path):
    assert "type 'O8'" in refusal(tmp_path, pickle.dumps(np.array([1, "a"], object), protocol=2))


def test_structured_arrays_are_refused(tmp_path):
    structured = np.zeros(2, [("a", "u1"), ("b", "u1")])
    assert "type 'V2'" in refusal(tmp_path, pickle.dumps(structured, protocol=2))


def test_files_that_are_too_large_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpickle, "LARGEST", 10)
    assert "expected 1 to 10" in refusal(tmp_path, pickle.dumps(ARRAY))


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        unpickle.load(tmp_path / "nothing.pickle")


def test_every_allowed_name_is_one_that_arrays_need():
    """No more than NumPy writes, in its first and second major version, and Python's containers."""
    seen = set()
    for content in (ARRAY, np.int64(1), collections.OrderedDict(), b"", b"\xff"):
        for protocol in range(6):
            names = []
            for operation, argument, _ in pickletools.genops(pickle.dumps(content, protocol)):
                if operation.name == "GLOBAL":
                    seen.add(tuple(argument.split(" ")))
                if "UNICODE" in operation.name:
                    names.append(argument)
                if operation.name == "STACK_GLOBAL":
                    seen.add(tuple(names[-2:]))
    older = {(module.replace("_core", "core"), name) for module, name in seen}
    python_3 = {(module.replace("__builtin__", "builtins"), name) for module, name in seen}
    allowed = {(module, name) for module, names in pickled_values.ALLOWED.items() for name in names}
    assert allowed <= seen | older | python_3
