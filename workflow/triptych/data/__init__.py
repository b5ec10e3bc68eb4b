"""Data sets: sources of images, splits, and files."""
