"""The certified fleet optimiser: block-coordinate Frank–Wolfe on an augmented Lagrangian, with a recomputed bound."""
