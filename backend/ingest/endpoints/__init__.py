"""The push endpoints: one HTTP side, three decoders."""
