"""Components of each kind with what they are tried on: images, rows, probabilities."""
