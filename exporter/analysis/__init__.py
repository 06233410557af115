"""Judgements on measured values: pure functions of finished values."""
