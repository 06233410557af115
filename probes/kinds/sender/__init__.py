"""Kind `sender`: a domain as a sender, as receivers see it."""
