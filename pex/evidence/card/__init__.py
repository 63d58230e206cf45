"""A prompt's card: gathered from registry, runs and files, and written as Markdown or HTML."""
