"""Typed notes and pedals in memory, and MIDI files in and out."""
