"""What can be asked, answered from the ports: no GraphQL, no drivers, no SQL."""
