"""Recordings of your own piano: a sheet to play from, and bringing audio and MIDI together."""
