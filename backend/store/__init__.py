"""Time series stores: DuckDB and InfluxDB, and the statistics that both compute."""
