"""Blind rating: which of two answers is better, asked of people who do not know whose they are."""
