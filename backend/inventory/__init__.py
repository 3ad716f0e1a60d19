"""The site description, checked and read into one immutable model."""
