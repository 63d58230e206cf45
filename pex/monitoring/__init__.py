"""Deployed traces: watched, triaged, turned into cases."""
