"""Vehicles that visit several sites: the same battery in one stay after another, less what the trips between use."""
