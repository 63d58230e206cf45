"""Scorers: output x case -> score."""
