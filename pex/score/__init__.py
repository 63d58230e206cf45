"""Scorers: an answer and its case in, a score out; judges are models that score."""
