"""The relational database: engine, transactions and migrations."""
