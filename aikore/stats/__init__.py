"""Tells what the monitor measured: to pages, to Prometheus, and as notices."""
