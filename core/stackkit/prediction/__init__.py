"""Label new images with a model: decode them, compute their features, and give answers."""
