"""The blocking client, generated from the asynchronous one by `make client`."""
