"""Scheduled plans: schedulers, and one night under their bare environment."""
