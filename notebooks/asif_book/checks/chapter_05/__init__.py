"""Checks of chapter 05, zero-shot classification."""
