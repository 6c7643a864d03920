"""Composition root: command line, configuration, wiring. The only place that may read the clock freely."""
