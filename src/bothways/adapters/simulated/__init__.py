"""A charging station in software: a client of its own that speaks OCPP 1.6, 2.0.1 and 2.1, with a battery behind it."""
