"""Lecture 45 ("Transfer Learning a ResNet"): its claims and its notebook's faults, beside what an experiment gave."""
