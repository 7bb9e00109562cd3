"""Storage of bytes: the store contract, its registry, the built-in stores."""
