"""The bench: what mailcanary costs, measured beside its peers on one machine in one run."""
