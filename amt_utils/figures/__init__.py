"""Figures of features, statistics, training and errors. ``amt.figures.NAME`` is loaded when first used."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
