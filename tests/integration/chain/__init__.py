"""A real mail chain in namespaces of its own: Postfix, Exim, Dovecot, rspamd, postgrey, DNS."""
