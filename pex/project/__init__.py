"""A project on disk: its settings, its experiments' files and folders, and what it may direct."""
