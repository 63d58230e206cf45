"""Files of cases: read, and edited in place, byte for byte."""
