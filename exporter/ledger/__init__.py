"""The ledger: what was sent, seen and found, in a database."""
