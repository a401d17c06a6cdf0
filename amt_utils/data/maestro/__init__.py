"""MAESTRO v3 on a small disk: metadata, splits, getting the audio, tidying; and a generated miniature of it."""
