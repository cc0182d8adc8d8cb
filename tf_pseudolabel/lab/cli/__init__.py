"""The programs: flags, and a main that calls one function."""
