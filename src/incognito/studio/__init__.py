"""The local page and the HTTP API: one application, on loopback unless it has a token (extra [studio])."""
