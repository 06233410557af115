"""Judgements on what was measured: pure functions of finished values."""
