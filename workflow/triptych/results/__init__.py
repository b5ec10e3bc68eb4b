"""The format of results: tables, files of a run, and styles of arms."""
