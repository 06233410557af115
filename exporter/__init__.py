"""The service: configuration, scheduling, the ledger, metrics, pages and the command line."""
