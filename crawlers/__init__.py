"""Reading devices: one polling loop, a driver a protocol, and simulators of every device."""

import logging

# These report every request or every failed try. The loop reports a loss once and its end once, which is enough.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
