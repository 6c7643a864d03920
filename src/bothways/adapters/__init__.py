"""Everything that touches the outside: files, chargers, meters, signals. Independent of one another."""
