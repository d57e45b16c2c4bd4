"""Formulas and foreign text in the languages of the tables: Markdown, LaTeX and HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from bilevel_core.errors import printable

MARKDOWN_SPECIAL = re.compile(r"[\\`*\[\]|#~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
}
HTML_SPECIAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Notation(NamedTuple):
    """How one language writes what the tables are made of.

    symbols: from the Unicode characters of our own sentences to the language's own writing;
    escape: any text (a plug-in's name, an error) to text that means only itself; power: of a symbol
    and an exponent; stack: lines to one cell.
    """

    symbols: Mapping[str, str]
    escape: Callable[[str], str]
    power: Callable[[str, str], str]
    strong: Callable[[str], str]
    stack: Callable[[list[str]], str]

    def say(self, text: str) -> str:
        """A sentence of ours, with its symbols in the language's own writing."""
        return "".join(self.symbols.get(character, character) for character in text)


def escape_markdown(text: str) -> str:
    """Text that stays itself inside a cell of a GitHub table, on one line."""
    visible = _one_line(text)
    html = "".join(HTML_SPECIAL.get(character, character) for character in visible)
    return MARKDOWN_SPECIAL.sub(lambda match: "\\" + match[0], html)


def escape_latex(text: str) -> str:
    """Text that pdflatex sets as it is; characters beyond Latin-1 as their code point (U+03BA)."""
    return "".join(
        LATEX_SPECIAL.get(c, c) if 0x20 <= ord(c) < 0x7F else _foreign(c) for c in _one_line(text)
    )


def escape_html(text: str) -> str:
    """Text that stays itself between tags and in a quoted attribute, on one line."""
    return html.escape(_one_line(text))


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _foreign(character: str) -> str:
    return character if 0xC0 <= ord(character) <= 0xFF else f"U+{ord(character):04X}"


def _latex_power(base: str, exponent: str) -> str:
    return f"${MATH[base]}^{{{exponent.replace('≈', MATH['≈'])}}}$"


MATH = {
    "κ": r"\kappa",
    "ε": r"\varepsilon",
    "ρ": r"\rho",
    "τ": r"\tau",
    "Φ": r"\Phi",
    "∇": r"\nabla",
    "Σ": r"\sum",
    "‖": r"\|",
    "²": "^2",
    "≈": r"{\approx}",
    "×": r"\times",
    "±": r"\pm",
    "→": r"\to",
    "Õ": r"\tilde O",
    "†": r"^\dagger",
}
"""The Unicode characters of our own sentences in TeX's mathematics."""

MARKDOWN = Notation(
    symbols={},
    escape=escape_markdown,
    power=lambda base, exponent: f"{base}^{exponent}",
    strong=lambda text: f"**{text}**",
    stack=lambda lines: "<br>".join(lines),
)

LATEX = Notation(
    symbols={"%": r"\%"} | {character: f"${tex}$" for character, tex in MATH.items()},
    escape=escape_latex,
    power=_latex_power,
    strong=lambda text: rf"\textbf{{{text}}}",
    stack=lambda lines: r"\begin{tabular}[t]{@{}l@{}}" + r" \\ ".join(lines) + r"\end{tabular}",
)

HTML = Notation(
    symbols={},
    escape=escape_html,
    power=lambda base, exponent: f"{base}<sup>{exponent}</sup>",
    strong=lambda text: f"<strong>{text}</strong>",
    stack=lambda lines: "<br>".join(lines),
)
