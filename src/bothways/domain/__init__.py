"""Frozen types of the field, the time grid, and the error tree. Imports nothing of bothways above it."""
