"""Kind `policy`: what senders that honour a domain's policies would do."""
