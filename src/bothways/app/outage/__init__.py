"""``bothways outage``: reads a scenario, works out the outage plan, writes the report."""
