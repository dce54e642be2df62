"""Work without a request: sample data and repair."""
