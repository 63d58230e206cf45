"""A project on disk: settings, experiment and plan files, folders, and trust in its settings."""
