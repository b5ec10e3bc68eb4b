"""Data sets: where images come from, how they are split, and how they lie on disk."""
