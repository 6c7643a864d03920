"""Migrations of the store's schema, applied in order by :func:`bothways.adapters.db.engine.migrate`."""
