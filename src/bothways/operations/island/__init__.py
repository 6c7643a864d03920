"""The island controller of a running site: readings in, the pure machine, commands out, people, durable memory."""
