"""Real data: where it lies, its formats and its checksums.

What is missing ends in one line that says where to put it; nothing is ever made up in its place.
"""
