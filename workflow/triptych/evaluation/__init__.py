"""Evaluation of trained networks: the opening of the test images."""
