"""Bounces: reports (RFC 3464) and free text."""
