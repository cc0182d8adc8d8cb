"""What a trained network does with the unlabeled data: numbers and pictures."""
