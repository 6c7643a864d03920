"""Opens, validates and writes files; every fault of a file is an :class:`~bothways.domain.errors.InputError`."""
