"""Chapter 07, editing a model."""
