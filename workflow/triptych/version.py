"""The version, apart from what commands import: a release trains nothing again."""

__version__ = "0.2.0"
