"""The site's meter by Modbus and SunSpec, by MQTT, or replayed from a file; made by :mod:`.configured`."""
