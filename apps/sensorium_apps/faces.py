"""The face detector of a bundle that has none: the companion's."""

from functools import cached_property

from sensorium.assemble import faces_of
from sensorium.bundle import Bundle
from sensorium.errors import BundleError
from sensorium.images import Box, Image
from sensorium.veil import FaceFinder
from sensorium_apps.paths import find_bundle


class CompanionFaces:
    """Opens the companion when the first picture is to leave."""

    @cached_property
    def _faces(self) -> FaceFinder:
        bundle = Bundle(find_bundle(None))  # stays open, for the graph is opened later
        faces = faces_of(bundle)
        if faces is None:
            raise BundleError(f"{bundle.path} has no face detector; run: sensorium pull && sensorium compile companion")
        return faces

    def find(self, image: Image) -> tuple[Box, ...]:
        """See FaceFinder; raises BundleError where there is no companion, or an old one."""
        return self._faces.find(image)
