"""Chapter 11, your forty pictures."""
