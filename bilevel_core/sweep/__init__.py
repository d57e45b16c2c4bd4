"""Sweeps: a TOML specification is expanded into runs, executed, and stored one file a run.

`specification` reads and validates, `keys` names a run by the hash of its configuration, `store`
reads and writes run files (`packing` keeps them small), `stock` says what a directory holds,
`cost_model`, `gradient_flow`, `speed_model` and `forecast` predict what a run costs, `feasibility`
and `plan` divide what is asked for into stored, pending and infeasible, `tunings` keeps the
searches behind policy "tuned", `executors` runs configurations here or in worker processes and
`cluster` on a Dask cluster, `runner` puts them together, and `merge` joins two stores.
"""
