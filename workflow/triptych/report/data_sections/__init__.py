"""The sections of the data report: each a module with the words and blocks of one topic."""
