"""Chapter 03, relative representations."""
