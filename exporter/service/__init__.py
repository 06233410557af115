"""The running service: schedule, runs, mailbox watches, and the publisher of their results."""
