"""Blind rating: which of two answers is better, without knowing whose they are."""
