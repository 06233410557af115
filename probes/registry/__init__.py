"""The tables of kinds, routes and mailboxes, and the plug-ins that add to them."""
