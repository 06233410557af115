"""DNS look-ups for mail: MX hosts, DNSSEC, DANE, DKIM keys and organisational domains."""
