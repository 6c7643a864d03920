"""Tariffs: one structure for what a rate sheet can say, the bill of a load, and the prices an optimiser sees."""
