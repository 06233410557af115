"""The test message and its life, as pure values and functions."""
