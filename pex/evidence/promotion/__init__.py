"""Promotion: an alias moves because a measurement passed."""
