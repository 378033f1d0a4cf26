"""Chapter 09, the paper."""
