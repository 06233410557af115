"""DMARC (RFC 9989)."""
