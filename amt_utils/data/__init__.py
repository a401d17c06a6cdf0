"""Recordings and their MIDI: found, downloaded, rendered, augmented, preprocessed."""
