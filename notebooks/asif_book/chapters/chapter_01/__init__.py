"""Chapter 01, encoders."""
