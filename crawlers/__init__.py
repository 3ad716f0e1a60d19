"""Crawlers poll devices: one polling loop, one driver per protocol, and a simulator of every kind of device."""

import logging

# These libraries log every request or every failed attempt. The polling loop logs each outage once, which is enough.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
