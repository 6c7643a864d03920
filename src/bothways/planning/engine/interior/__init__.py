"""The interior-point method, which ends the searches that steps towards single schedules do not end."""
