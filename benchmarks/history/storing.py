"""Time and memory of a store of 200 runs: writing, reading into a frame, fitting."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

KAPPAS, INSTANCES, EPS = (4.0, 5.0, 6.0, 7.0, 8.0), 40, (0.1, 0.03, 0.01)


class Store:
    """Two hundred run files, variants of one real run."""

    rounds, repeat, timeout = 1, (3, 7, 5.0), 120

    def setup(self) -> None:
        """Fill a store and load the libraries that read it."""
        import bilevel_core as bl
        import problems
        from bilevel_core.sweep import store

        self.directory = Path(tempfile.mkdtemp(prefix="bilevel-history-"))
        for kappa in KAPPAS:
            record = bl.run(problems.make("hard", kappa=kappa), "aid_bio", EPS, "sharp")
            for seed in range(INSTANCES):
                config = dataclasses.replace(record.config, seed=seed)
                store.write(self.directory, dataclasses.replace(record, config=config))
        self.record = record
        frame = store.frame(self.directory)
        self.rows = frame[frame["criterion"] == "average"]
        self.time_fit()

    def teardown(self) -> None:
        """Remove the store."""
        shutil.rmtree(self.directory)

    def time_write_run(self) -> None:
        """One run file, until the disk has it."""
        from bilevel_core.sweep import store

        store.write(self.directory, self.record)

    def time_read(self) -> None:
        """All run files into a frame."""
        from bilevel_core.sweep import store

        store.frame(self.directory)

    def time_fit(self) -> None:
        """One fit of all rows."""
        import bilevel_core as bl

        bl.fit(self.rows, y="hv")

    def peakmem_read(self) -> None:
        """All run files into a frame, with all libraries loaded."""
        self.time_read()
