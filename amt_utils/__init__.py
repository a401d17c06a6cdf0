"""AMT Piano: a piano recording goes in; notes, pedals, MIDI and sheet music come out.

The data flow, module by module::

    audio -> hcqt -> models -> decode -> notes -> midi -> score, widget
                       ^ targets <- midi <- maestro, recordings, synth
"""

__version__ = "0.1.0"
