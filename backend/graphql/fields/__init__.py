"""The fields of the schema, one module per domain."""
