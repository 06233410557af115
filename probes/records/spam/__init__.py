"""Verdicts of spam filters in header fields."""
