"""Text functions that find keys and keep them out of everything shown or stored."""
