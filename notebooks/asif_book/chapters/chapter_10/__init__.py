"""Chapter 10, any two strangers."""
