"""Roll-ups of raw readings: definitions, computation, healing after late readings, and retention."""
