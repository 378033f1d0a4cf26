"""Checks of chapter 02, anchors."""
