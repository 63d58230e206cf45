"""Frames in, verdicts out: paired comparisons, slices, gates."""
