"""DNS questions with a meaning."""
