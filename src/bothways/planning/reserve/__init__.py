"""Capacity bids beside the schedule: which kW a fleet can promise to the grid, what they earn, what that costs."""
