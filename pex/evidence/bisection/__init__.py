"""Bisect: since which version, or commit, a prompt is measurably worse."""
