"""A day of a study played through the live system over real sockets, and the two bills compared."""
