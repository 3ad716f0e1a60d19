"""The time series store in an InfluxDB server (1.x, 2.x or 3.x)."""
