"""The outage plan's page, of the same kind as the study's."""
