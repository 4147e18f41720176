"""What datasets of the user's own images share: names of splits, Unicode forms, groups and notes."""
