"""Every kind of operation that there is."""

from __future__ import annotations

from handful.augment.blur import blur, defocus, motion
from handful.augment.colour import brightness, channel_mix, contrast, grey, hue, invert, saturation, temperature
from handful.augment.curves import equalize, gamma, posterize, solarize
from handful.augment.elastic import elastic
from handful.augment.erase import erase
from handful.augment.geometry import (
    crop,
    flip_h,
    flip_v,
    perspective,
    resized_crop,
    rotate,
    scale,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
)
from handful.augment.jpeg import jpeg
from handful.augment.noise import noise, shot

GEOMETRY = (
    *(flip_h, flip_v, rotate, scale, translate_x, translate_y, shear_x, shear_y, perspective, elastic),
    *(crop, resized_crop),
)
COLOUR = (brightness, contrast, saturation, hue, grey, channel_mix, temperature, invert)
CURVES = (gamma, posterize, solarize, equalize)
EFFECTS = (noise, shot, blur, motion, defocus, jpeg, erase)

KINDS = (*GEOMETRY, *COLOUR, *CURVES, *EFFECTS)
