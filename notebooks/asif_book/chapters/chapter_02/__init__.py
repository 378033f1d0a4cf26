"""Chapter 02, anchors."""
