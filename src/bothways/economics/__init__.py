"""Value, cash flow, actors and emissions: pure functions over what a study measured.

Ledger money (`statement`, `attribution`, `actors`) is ``Decimal`` and exact to the cent; analysis money
(`investment`, `returns`, `sensitivity`, `arithmetic`, `wear`) is ``float``. Emissions are kg of CO₂ (or CO₂e, as the
intensity given) in ``float``. See ``docs/explanation/money.md`` for what is counted and what is not.
"""
