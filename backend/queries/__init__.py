"""Answers queries from the ports of `backend/core`. It uses no GraphQL, no database driver and no SQL."""
