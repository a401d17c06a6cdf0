"""What there is to see: features, statistics, training, errors. ``amt.figures.NAME`` loads a figure when it is used."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
