"""The asynchronous client, the source of the generated blocking one."""
