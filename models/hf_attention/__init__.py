"""Attention with the hardware's arithmetic inside a transformers model.

Importing this package registers the implementation ``fusioncim`` and its mask:

    import models.hf_attention
    model.set_attn_implementation("fusioncim")

:func:`configure` chooses the hardware, the schedule and the quantisation; :func:`calibrate` gives the layers the statistics
that a running system has.
"""

from transformers import AttentionInterface, AttentionMaskInterface

from models.hf_attention.calibrate import calibrate
from models.hf_attention.forward import fusioncim_attention
from models.hf_attention.positions import position_mask
from models.hf_attention.settings import Quantisation, Settings, configure, settings_of

__all__ = ["NAME", "Quantisation", "Settings", "calibrate", "configure", "settings_of"]

NAME = "fusioncim"
AttentionInterface.register(NAME, fusioncim_attention)
# The mask has a registry of its own: an attention name that is missing there silently runs without causality.
AttentionMaskInterface.register(NAME, position_mask)
