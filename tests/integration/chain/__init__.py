"""A real mail chain in namespaces of its own: Postfix, Dovecot, rspamd, postgrey, Knot, unbound."""
