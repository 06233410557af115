"""The program held to its own catalogue of findings, in small worlds of scripted peers."""
