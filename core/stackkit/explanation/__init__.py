"""Show why a model gives an answer: votes, nearest training images, and the regions that count."""
