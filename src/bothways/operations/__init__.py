"""The live system's use cases, and the ports through which it meets chargers, meters, signals, stores and clocks."""
