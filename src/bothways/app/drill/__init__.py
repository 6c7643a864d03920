"""``bothways drill --live``: the outage through real sockets, with the live system and virtual stations."""
