"""The running service: schedule, runs, mailbox watches, and what they publish."""
