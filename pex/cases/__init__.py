"""Case files: read, and edited in place, byte for byte."""
