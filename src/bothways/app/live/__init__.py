"""The live system put together: configuration, wiring, start and stop."""
