"""The library browser: what it shows, its view and its script."""
