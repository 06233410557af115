"""Grafana dashboards as JSON, and the code in `build` that writes them."""
