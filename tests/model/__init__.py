"""A model of accounts, written from docs/ in plain Python, beside which the service is run."""
