"""What WAV, MP3, FLAC, Ogg, CAF and W64 files really hold, where libsndfile trusts wrong headers."""
