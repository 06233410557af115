"""Shared by the probes that talk to an MX host."""
