"""One run: arms trained, files written, and read again."""
