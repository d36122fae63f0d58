"""Requests made up from the served OpenAPI schema. The only importer of schemathesis and hypothesis."""
