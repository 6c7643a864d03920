"""The HTTP API under ``/api/v1``, and the health and metrics endpoints of the live system."""
