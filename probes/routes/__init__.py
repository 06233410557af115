"""Ways to hand a canary over. One file = one route: its options and `hand_over`."""
