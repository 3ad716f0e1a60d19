"""The embedded time series store: readings and roll-ups in one DuckDB file."""
