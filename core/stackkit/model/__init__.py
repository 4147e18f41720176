"""A trained stack: from the features of images to calibrated answers, and to a bundle and back."""
