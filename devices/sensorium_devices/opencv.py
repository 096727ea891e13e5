"""OpenCV, imported when first needed, told to be silent, to refuse huge images and not to wait for ever.

How it is silenced: OpenCV and its FFmpeg read these variables of the environment when they are loaded, and a
value that the user has set is left alone; where OpenCV was loaded before, its log level is set. No file
descriptor is redirected, so nothing else that is printed is lost.
"""

import os
from typing import Any

from sensorium.errors import SourceError
from sensorium.samples import MAX_PIXELS

ENVIRONMENT = {
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",  # FFmpeg's AV_LOG_QUIET
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(MAX_PIXELS),  # refused by its header, before anything is decoded
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "1",  # [s], whole seconds; its default of 10 would hold up a close
}


def load_opencv() -> Any:
    """The ``cv2`` module; raises SourceError where it is not installed."""
    chosen = "OPENCV_LOG_LEVEL" in os.environ
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import cv2
    except ImportError as err:
        raise SourceError(f"OpenCV is not installed ({err}); pip install 'sensorium[camera]'") from err
    if not chosen:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
