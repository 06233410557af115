"""mailcanary's measuring library: usable without the service."""
