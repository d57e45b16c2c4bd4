"""The text of a function that does not change with comments, docstrings, formatting or place."""

from __future__ import annotations

import ast
import functools
import inspect
import os
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType

Stamp = tuple[int, int] | None
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NOT_A_PYTHON_FILE = (OSError, SyntaxError, ValueError, RecursionError, MemoryError)
_HAS_DOCSTRING = 0x4000000  # a flag of code objects from Python 3.14 on


@functools.cache
def names_in(code: CodeType) -> frozenset[str]:
    """The names that a code object and those inside it mention, words among its texts included."""
    inner = [names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    # A word may name something, as in getattr(module, "NAME").
    words = (c for c in code.co_consts if isinstance(c, str) and c.isidentifier())
    return frozenset(code.co_names).union(words, *inner)


def source_of(function: FunctionType) -> str:
    """The syntax of a function's definition, or its bytecode.

    The syntax is that of the file as it is now, and only where the file still compiles to the very
    code that is in memory.
    """
    code = function.__code__
    path = code.co_filename
    text = _text(path, stamp_of(path), code.co_name, code.co_firstlineno, bytecode(code))
    return bytecode(code) if text is None else text


def text_of_module(path: str) -> str | None:
    """The syntax of a whole Python file without docstrings; None where it is not one."""
    tree = syntax_of(path)
    return None if tree is None else ast.unparse(tree)


def syntax_of(path: str) -> ast.Module | None:
    """The syntax tree of a file without docstrings; None where it is no Python file."""
    found = _parsed(path, stamp_of(path))
    return None if found is None else found[0]


def stamp_of(path: str) -> Stamp:
    """What changes when a file does; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


@functools.cache
def bytecode(code: CodeType) -> str:
    """What a code object does, without its docstring and its place in a file."""
    constants = (bytecode(c) if isinstance(c, CodeType) else repr(c) for c in _used_constants(code))
    names = (*code.co_names, *code.co_varnames, *code.co_freevars)
    return f"{code.co_code.hex()} {names} {' '.join(constants)}"


def _used_constants(code: CodeType) -> tuple[object, ...]:
    """The constants without the docstring, which is a function's first one, used or not."""
    can_have_one = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")
    if sys.version_info >= (3, 14):
        can_have_one = code.co_flags & _HAS_DOCSTRING
    first = code.co_consts[:1]
    return code.co_consts[1:] if can_have_one and isinstance(first[0], str) else code.co_consts


@functools.lru_cache(maxsize=512)
def _parsed(path: str, stamp: Stamp) -> tuple[ast.Module, CodeType] | None:
    """Tree and code of a file as it was at a stamp."""
    if stamp is None:
        return None
    try:
        with open(path, "rb") as file:
            source = file.read()
        return _without_docstrings(ast.parse(source)), compile(
            source, path, "exec", dont_inherit=True
        )
    except _NOT_A_PYTHON_FILE:
        return None


@functools.lru_cache(maxsize=512)
def _definitions(path: str, stamp: Stamp) -> dict[tuple[str, int], tuple[ast.AST, CodeType]]:
    """The functions that a file defines, by name and first line."""
    found = _parsed(path, stamp)
    if found is None:
        return {}
    tree, module = found
    codes = {(code.co_name, code.co_firstlineno): code for code in _inside(module)}
    nodes = ((_place(node), node) for node in ast.walk(tree) if isinstance(node, _DEFINITIONS))
    return {place: (node, codes[place]) for place, node in nodes if place in codes}


@functools.lru_cache(maxsize=4096)
def _text(path: str, stamp: Stamp, name: str, line: int, in_memory: str) -> str | None:
    """The text of a definition that compiles to this bytecode."""
    found = _definitions(path, stamp).get((name, line))
    if found is None or bytecode(found[1]) != in_memory:
        return None
    return ast.unparse(found[0])


def _place(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, int]:
    return node.name, min([node.lineno, *(each.lineno for each in node.decorator_list)])


def _inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inside(constant)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(node, (*_DEFINITIONS, ast.ClassDef, ast.Module))
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            node.body = body[1:] or [ast.Pass()]
    return tree
