"""Outages: which loads stay on, for how long, with what probability, and what vehicles add to that."""
