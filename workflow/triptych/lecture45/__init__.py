"""Lecture 45 ("Transfer Learning a ResNet"): test its claims, and show what the faults of its notebook change."""
