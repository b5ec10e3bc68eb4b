"""Triptych: train one network three ways, side by side, and say with evidence which way to take."""

__version__ = "0.2.0"
