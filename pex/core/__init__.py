"""The basic concepts as plain data: prompt, variant, case, call, answer, score, event, error."""
