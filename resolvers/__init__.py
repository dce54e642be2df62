"""What a field or mutation does: authorise, load, decide, write."""
