"""Screens for drivers, site operators and operators of many sites, on the same use cases as the API."""
