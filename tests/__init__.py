"""The suite; tests speak GraphQL, as a client does."""
