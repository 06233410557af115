"""Faults of servers, as data."""
