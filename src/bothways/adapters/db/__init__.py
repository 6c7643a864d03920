"""The durable store of the live platform: SQLite for one process, PostgreSQL for many, one schema for both.

Open it with :func:`bothways.adapters.db.store.open_store`.
"""
