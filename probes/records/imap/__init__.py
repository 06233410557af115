"""IMAP responses (RFC 3501, RFC 9051)."""
