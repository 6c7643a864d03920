"""The OCPP gateway: charging stations that speak 1.6-J, 2.0.1 or 2.1 over a WebSocket, and what they mean."""
