"""Sessions opened step by step, each step a timed phase."""
