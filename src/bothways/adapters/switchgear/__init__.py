"""Switchgear of a building that can be an island: Modbus, by hand, simulated; all fulfil the port ``Switchgear``."""
