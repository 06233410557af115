"""Servers that misbehave on order: faults as data, for tests, for the demo and for self-tests."""
