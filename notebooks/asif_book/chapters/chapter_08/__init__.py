"""Chapter 08, scaling."""
