"""The laboratory: programs, data, runs, reports; needs `programs`."""
