"""Vehicles whose chargers lose more at part load: every step charges, rests or discharges, along a curve."""
