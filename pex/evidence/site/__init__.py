"""The library as a folder of pages that opens without a server."""
