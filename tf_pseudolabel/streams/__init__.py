"""Two streams become one: merging, checking."""
