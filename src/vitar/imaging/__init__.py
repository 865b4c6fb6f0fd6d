"""Images, boxes on them, and the actions that a model takes on them."""

from vitar.imaging.coordinates import THOUSANDTHS, Coordinates, ResizedPixels, View
from vitar.imaging.environment import Environment, EnvironmentConfig, Observation
from vitar.imaging.geometry import Box, Frame
from vitar.imaging.loading import ImageError, load_image
from vitar.imaging.mark import mark_region
from vitar.imaging.reading import ActionError
from vitar.imaging.zoom import zoom as zoom_image

__all__ = [
    "THOUSANDTHS",
    "ActionError",
    "Box",
    "Coordinates",
    "Environment",
    "EnvironmentConfig",
    "Frame",
    "ImageError",
    "Observation",
    "ResizedPixels",
    "View",
    "load_image",
    "mark_region",
    "zoom_image",
]
