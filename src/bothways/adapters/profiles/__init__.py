"""Stand-ins for series that nobody measured: photovoltaics from a clear sky, loads from standard profiles."""
