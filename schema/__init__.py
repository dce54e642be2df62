"""What clients see: types, inputs, payloads, roots, directives."""
