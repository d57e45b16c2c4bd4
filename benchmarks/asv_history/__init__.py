"""The history of this project: asv measures each commit, exact counts are guarded."""
