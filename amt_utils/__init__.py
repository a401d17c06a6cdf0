"""AMT Piano: a piano recording goes in; notes, pedals, MIDI and sheet music come out.

The data flow, folder by folder::

    audio -> models -> transcription -> music -> results, sheet_music, widget
               ^ training <- data

``import amt_utils as amt`` offers the names that a notebook needs, each loaded when it is first used; they are listed,
with their types, in ``__init__.pyi``.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
