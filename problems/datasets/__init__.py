"""Real data: where it lies, its formats and checks.  Nothing here is a substitute for it."""
