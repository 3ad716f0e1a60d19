"""`python -m crawlers`: poll all sensors that can be polled, or those that the options select."""

from crawlers.cli import main

raise SystemExit(main())
