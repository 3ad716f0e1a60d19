"""Plain HTTP routes: REST reads, exports, health, and the page's files."""
