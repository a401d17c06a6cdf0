"""Notes and pedals -> sheet music: beats, metre, hands, voices, spelling, notation, MusicXML, engraving."""
