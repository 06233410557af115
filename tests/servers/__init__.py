"""Peers for the tests: scripted ones that misbehave on order, and real ones from the system."""
