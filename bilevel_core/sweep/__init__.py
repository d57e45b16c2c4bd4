"""Sweeps: a TOML specification is expanded into runs, executed, and stored one file a run.

`specification` reads and validates, `keys` names a run by the hash of its configuration, `store`
reads and writes run files, `executors` runs configurations here or in worker processes, `runner`
puts them together, and `merge` joins two stores.
"""
