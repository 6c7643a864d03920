"""Prices and CO₂ from CSV files and over HTTP, with units and time zones stated and checked."""
