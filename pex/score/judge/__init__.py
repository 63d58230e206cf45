"""Judges: models that score answers, their questions, and how far to trust them."""
