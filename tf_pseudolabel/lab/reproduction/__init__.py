"""Tables and figures of papers, made again by one command."""
