"""Wiring of ``bothways study``: files in, inputs to the pure study, results out."""
