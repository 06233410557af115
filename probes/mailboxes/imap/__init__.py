"""Mailbox `imap`."""
