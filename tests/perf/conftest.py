"""Micro-benchmarks run with --benchmark-only alone, one after the other: `make test-perf`."""

import pytest


def pytest_ignore_collect(collection_path, config):
    """Leave this folder out of the test-suite: what is timed needs a core to itself."""
    return None if config.getoption("benchmark_only", False) else True


@pytest.fixture
def stepping(benchmark):
    """Time `advance` of a session, each time of a new one, so that no run ends in rounding."""

    def measure(open_session, steps):
        def advance(session):
            return session.advance(steps)

        benchmark.extra_info["outer steps"] = steps
        setup = lambda: ((open_session(),), {})  # noqa: E731
        return benchmark.pedantic(advance, setup=setup, rounds=20, warmup_rounds=2)

    return measure
