"""Vehicles that are either on or off: a minimum charging power, no pauses, prices at which burning energy would pay."""
