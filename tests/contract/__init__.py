"""What the store asks of whatever speaks the MongoDB protocol; runs before everything else."""
