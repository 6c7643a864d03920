"""The plant: what vehicles and chargers really do when they are told something."""
