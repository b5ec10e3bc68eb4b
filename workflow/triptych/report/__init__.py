"""The effective configuration, the report and the manifest."""
