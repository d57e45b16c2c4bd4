"""`python -m bilevel_core`: the same commands as `bilevel-bench`."""

from bilevel_core.cli import main

if __name__ == "__main__":
    main()
