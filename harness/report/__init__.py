"""Views of a record: pure functions, one module a format."""
