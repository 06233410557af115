"""HTTP: what Prometheus, a supervisor and a person with a browser ask for."""
