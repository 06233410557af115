"""Kind `policy`: delivery to a domain by senders that honour its TLS policies."""
