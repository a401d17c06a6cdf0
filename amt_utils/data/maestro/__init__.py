"""MAESTRO v3 on a small disk: metadata, splits, download; and a generated miniature of it."""
