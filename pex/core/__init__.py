"""The words as plain data: prompt, variant, case, call, answer, score, event, error."""
