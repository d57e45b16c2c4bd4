"""Options that make families on real data small enough for tests over the registry."""

from tiny_data import OPTIONS
from tiny_images import TINY

SMALL = {**OPTIONS, "fewshot": TINY}

UNBOUNDED = ("fewshot",)
"""Families without constants that hold for all x; their tests are their own."""
