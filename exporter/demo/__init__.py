"""The embedded mail world: servers on loopback that behave, or misbehave, on order."""
