"""What results are: what the files of a run hold, and how arms look."""
