"""E-mail over SMTP, and its texts."""
