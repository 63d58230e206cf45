"""Judges: models that score answers, what they are asked, and how far they are to be believed."""
