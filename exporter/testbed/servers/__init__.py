"""Scripted SMTP, IMAP, HTTPS and DNS servers, and small worlds of them."""
