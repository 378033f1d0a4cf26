"""Chapter 06, interpretability."""
