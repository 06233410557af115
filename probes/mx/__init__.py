"""What the probes that talk to an MX host share."""
