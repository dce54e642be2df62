"""What a dry run foresees against what the real one does, on random mutations of all kinds."""
