"""From long frames to verdicts: paired comparisons, slices, gates. All plain frames, no classes."""
