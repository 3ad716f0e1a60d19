"""Users, sign-up, log-in, sessions, tokens, device keys and the audit log."""
