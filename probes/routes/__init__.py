"""Ways to hand a canary over. One file = one route: its options and `hand_over`.

A route reports by `trace.handover`: UNCERTAIN before the octet from which the receiver may have the
whole message, then HANDED_OVER or a refusal with the receiver's answer. The report counts even if
a deadline or a bug ends the run in between.
"""
