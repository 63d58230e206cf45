"""The library browser: prompts, their versions, differences and scores."""
