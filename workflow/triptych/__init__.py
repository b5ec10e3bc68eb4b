"""Triptych: train one network three ways, side by side, and say with evidence which way to take."""
