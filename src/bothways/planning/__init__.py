"""The fleet optimiser: problem and solution types, solvers, and explanations of what cannot be met."""
