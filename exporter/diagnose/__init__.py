"""One mail domain or host, diagnosed now."""
