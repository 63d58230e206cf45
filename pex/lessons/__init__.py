"""Lessons on threats, for people who do not program: an attack by hand on the built-in model."""
