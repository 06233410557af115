"""The ledger: the database of canaries, copies, evidence, runs and changes."""
