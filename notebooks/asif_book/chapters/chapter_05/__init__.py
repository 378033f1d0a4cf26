"""Chapter 05, zero-shot evaluation."""
