"""What the ledger says, as values and JSON: pages, terminal views and answers show them."""
