"""One-shot probes. One file = one kind: a target's options and the protocol in order."""
