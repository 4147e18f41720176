"""Write an experiment's results as JSON, as a table for people, and as an HDF5 file of probabilities."""
