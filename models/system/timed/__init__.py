"""The blocks of the accelerator as far as time is concerned, for :mod:`models.system.timeline`."""
