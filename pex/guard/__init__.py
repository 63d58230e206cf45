"""Functions of text: finding keys, and keeping them out of what is shown or stored."""
