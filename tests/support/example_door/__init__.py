"""A package of somebody else: a route and a mailbox that are a folder of files."""
