"""HTTP: answers for Prometheus, for a supervisor and for a person with a browser."""
