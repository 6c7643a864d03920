"""The ``bothways`` command. One module per sub-command; each imports what it needs only when it runs."""
