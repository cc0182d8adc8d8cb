"""One update: two batches in, loss and gradients out."""
