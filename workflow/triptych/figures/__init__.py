"""From tables to figures. Nothing here imports torch."""
