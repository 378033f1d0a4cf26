"""Chapter 04, sparsification."""
