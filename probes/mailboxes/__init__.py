"""Ways to see a canary arrive: `interface.py`, and one file or folder a protocol."""
