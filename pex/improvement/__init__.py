"""Better prompts, confirmed on cases that no proposal has seen."""
