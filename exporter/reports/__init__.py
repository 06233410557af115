"""Content of the ledger as values and JSON: pages, terminal views and answers show them."""
