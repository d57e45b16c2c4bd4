"""Training on real data: the same tasks, budgets and metrics for every algorithm."""
