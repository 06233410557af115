"""The test message and its life cycle, as pure values and functions."""
