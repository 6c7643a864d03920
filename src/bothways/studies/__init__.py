"""Studies: the same policy as in operation, played against simulated vehicles, and what came of it in money."""
