"""``sensorium describe``: what a picture shows."""

import json as jsonlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium_apps import options
from sensorium_apps.failures import note

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sensorium.bundle import Bundle
    from sensorium.events import Guess, Thing

TOLD_NAMES = 5


def describe(
    picture: Annotated[Path, typer.Argument(help="A picture: jpg, png, webp ...")],
    bundle: options.Bundle = None,
    json: options.Json = False,
    threads: options.Threads = 0,
) -> None:
    """Tell what a picture shows: things and where they are, names with probabilities, and a sentence.

    Examples:

      sensorium describe photo.jpg

      sensorium describe photo.jpg --json
    """
    from sensorium.bundle import Bundle
    from sensorium.health import picture_fault
    from sensorium_apps.paths import find_bundle
    from sensorium_devices.images import read_image

    image = read_image(picture)
    with Bundle(find_bundle(bundle)) as opened:
        things, names = _look(opened, image, threads)
    fault = picture_fault(image)
    if fault is not None:
        note(f"{picture}: {fault}; what is told of it is a guess")
    told = summary(picture, image.shape[1], image.shape[0], things, names)
    if json:
        typer.echo(jsonlib.dumps(told, ensure_ascii=False))
        return
    for line in _plain(told):
        typer.echo(line)


def _look(bundle: "Bundle", image: "NDArray[np.uint8]", threads: int) -> "tuple[tuple[Thing, ...], tuple[Guess, ...]]":
    """Things and names, by the encoder that a session has, too."""
    from sensorium.encoders.vision import VisionEncoder
    from sensorium.errors import BackendError, BundleError
    from sensorium.samples import Frame
    from sensorium_apps.parts import make

    detector, classifier = (make(bundle, role, threads) for role in ("detector", "classifier"))
    if detector is None and classifier is None:
        raise BundleError(f"{bundle.path} has neither detector nor classifier; compile one that has")
    found = VisionEncoder(detector, classifier).encode(Frame(0, 0, image))
    if found.failures:
        raise BackendError("; ".join(found.failures))
    return found.things or (), (found.names or ())[:TOLD_NAMES]


def summary(
    picture: Path, width: int, height: int, things: "tuple[Thing, ...]", names: "tuple[Guess, ...]"
) -> dict[str, Any]:
    """Everything that is told of a picture, as JSON."""
    from sensorium.answers.phrasing import place

    return {
        "picture": str(picture),
        "width": width,
        "height": height,
        "things": [
            {
                "label": thing.label,
                "score": round(thing.score, 3),
                "box": [round(share, 4) for share in thing.box],
                "place": place(thing),
                "colour": thing.colour,
            }
            for thing in things
        ],
        "counts": dict(Counter(thing.label for thing in things).most_common()),
        "names": [{"name": guess.name, "probability": round(guess.probability, 4)} for guess in names],
        "sentence": sentence(things, names),
    }


def sentence(things: "tuple[Thing, ...]", names: "tuple[Guess, ...]") -> str:
    """What a session would answer to somebody who asks what it sees."""
    from sensorium.answers import answer
    from sensorium.health import Health, State
    from sensorium.scene import Scene

    scene = Scene(now_ns=1, health={"vision": Health(State.LIVE)}, seen_ns=1, things=things, names=names)
    return answer("What do you see?", scene).text


def _plain(told: dict[str, Any]) -> list[str]:
    things = [
        f"  {' '.join(filter(None, [t['colour'], t['label']]))}, {t['place']} ({t['score']:.0%})"
        for t in told["things"]
    ]
    names = [f"  {n['name']} {n['probability']:.0%}" for n in told["names"]]
    return [told["sentence"], *(["things", *things] if things else []), *(["names", *names] if names else [])]
