"""`python -m crawlers`: every sensor that can be polled, or those that the options name."""

from crawlers.cli import main

raise SystemExit(main())
