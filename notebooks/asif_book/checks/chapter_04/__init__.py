"""Checks of chapter 04, sparsification."""
