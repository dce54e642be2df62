"""The compiled executor: against graphql-core, and by graphql-core's own tests."""
