"""Chapter 90, the appendix on PyTorch."""
