"""From a bundle to the parts of a session: what the bundle has is opened, what it lacks is left out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from sensorium.bundle import Bundle, GraphEntry, Part
from sensorium.encoders import Encoder
from sensorium.errors import BundleError, LadderError
from sensorium.evidence import EvidenceFusion
from sensorium.fallback import GPU, Fallbacks
from sensorium.fusion import Fusion, OpenVocabulary
from sensorium.jobs import Near, Workshop
from sensorium.ladder import ROLE as LADDER_ROLE
from sensorium.ladder import Rung, parse_ladder
from sensorium.session import Parts

if TYPE_CHECKING:
    from sensorium.components.embedder import TextEmbedder
    from sensorium.components.voice_activity import VoiceActivity
    from sensorium.learned.opening import Learned

MODEL_ROLE = "model"  # of a part that is a trained model: its own encoders and fusion
VARIANT_ROLE = "variant"  # of a part that is the same on smaller inputs, named model-NAME

T = TypeVar("T")


def assemble(
    bundle: Bundle,
    *,
    look_for: Sequence[str] = (),
    threads: int = 0,
    reword: Callable[[str], str] | None = None,
    hang_s: float | None = None,
) -> Parts:
    """Open every part of the bundle that a session uses; ``threads`` for each graph, 0 leaves it to the backend.

    ``look_for`` are the texts that percepts score; without any, the names that the bundle's own parts know.
    ``hang_s``: a graph whose run takes longer is replaced, where something else executes it; None: it is waited for.
    Raises BackendError or BundleError when a part is there and does not open.
    """
    # Here, so that a process that only reads bundles or replays its own encoders does not load them.
    from sensorium.components.classifier import Classifier
    from sensorium.components.detector import Detector
    from sensorium.components.embedder import TextEmbedder
    from sensorium.components.recogniser import Recogniser
    from sensorium.components.sound import SoundTagger
    from sensorium.components.synthesiser import Synthesiser
    from sensorium.components.turn_end import TurnEnd
    from sensorium.components.voice_activity import VoiceActivity
    from sensorium.encoders.audio import AudioEncoder
    from sensorium.encoders.text import TextEncoder
    from sensorium.encoders.vision import VisionEncoder

    fallbacks = Fallbacks(hang_s, chosen=_chosen(bundle))

    def opened(role: str, component: Callable[[Part, int], T]) -> T | None:
        part = bundle.find(role)
        return None if part is None else component(replace(part, opener=fallbacks.open), threads)

    embedder = opened("embedder", TextEmbedder)
    detector = opened("detector", Detector)
    classifier = opened("classifier", Classifier)
    tagger = opened("sound", SoundTagger)
    recogniser = opened("recogniser", Recogniser)
    encoders: dict[str, Encoder] = {"text": TextEncoder()}
    if detector or classifier:
        encoders["vision"] = VisionEncoder(detector, classifier)
    voice_activity = opened("voice_activity", VoiceActivity)
    variants = variants_of(bundle)
    learned = _learned(bundle, threads, voice_activity, variants, fallbacks)
    # Beside a model the voice detector may be there for it alone, with nothing that recognises what is said.
    talks = voice_activity if recogniser or not learned else None
    if talks or tagger:
        encoders["audio"] = AudioEncoder(talks, tagger)
    senses = bool(detector or classifier or tagger)
    texts = look_for or (*(detector.labels if detector else ()), *(tagger.told if tagger else ()))
    return Parts(
        encoders=_beside(encoders, learned),
        # Texts that are asked for by name are scored by the senses that have words for anything, where there are any.
        fusion=(None if look_for and senses else _learned_fusion(learned, look_for, embedder))
        or _evidence_fusion(embedder, texts),
        workshop=Workshop(
            recogniser,
            opened("turn_end", TurnEnd),
            _near(embedder),
            reword,
            learned.answerer if learned else None,
        ),
        synthesiser=opened("synthesiser", Synthesiser),
        look_for=tuple(look_for),
        variants=tuple(variants) if learned else (),
        ladder=_ladder(bundle),
        backends=fallbacks.backends,
        replaceable=fallbacks.graphs,
    )


def _chosen(bundle: Bundle) -> dict[str, GraphEntry]:
    """For graphs that are compiled where they are first loaded, the form that is best on this chip."""
    if not any(graph.backend == GPU for part in bundle.manifest.parts.values() for graph in part.graphs.values()):
        return {}
    from sensorium.first_load import entries, first_load

    return entries(bundle, first_load(bundle))


def variants_of(bundle: Bundle) -> dict[str, Part]:
    """The variants of the bundle's trained model, by name."""
    return {part.name.removeprefix(f"{MODEL_ROLE}-"): part for part in bundle.find_all(VARIANT_ROLE)}


def _learned(
    bundle: Bundle,
    threads: int,
    voice_activity: "VoiceActivity | None",
    variants: dict[str, Part],
    fallbacks: Fallbacks,
) -> "Learned | None":
    part = bundle.find(MODEL_ROLE)
    if part is None:
        return None
    from sensorium.learned.opening import open_learned

    voice = voice_activity.stream if voice_activity is not None else None
    smaller = {name: replace(own, opener=fallbacks.open) for name, own in variants.items()}
    return open_learned(replace(part, opener=fallbacks.open), threads, voice, smaller)


def _ladder(bundle: Bundle) -> tuple[Rung, ...] | None:
    """The bundle's own ladder, if it has one."""
    part = bundle.find(LADDER_ROLE)
    if part is None:
        return None
    try:
        return parse_ladder(dict(part.config), f"part {part.name}")
    except LadderError as err:
        raise BundleError(str(err)) from err


def _beside(encoders: dict[str, Encoder], learned: "Learned | None") -> dict[str, Encoder]:
    """The ready parts' encoders and the model's; of one modality both, except that lines are read once."""
    if learned is None:
        return encoders
    from sensorium.encoders.together import Together

    both = {name: own for name, own in encoders.items() if name not in learned.encoders}
    for name, added in learned.encoders.items():
        both[name] = Together(encoders[name], added) if name in encoders and name != "text" else added
    return both


def _learned_fusion(
    learned: "Learned | None", look_for: Sequence[str], embedder: "TextEmbedder | None"
) -> Fusion | None:
    return learned.fusion(look_for, embedder) if learned is not None else None


def _evidence_fusion(embedder: "TextEmbedder | None", texts: Sequence[str]) -> Fusion | None:
    if embedder is None or not texts:
        return None
    return OpenVocabulary(EvidenceFusion(embedder.embed, embedder.centre, embedder.fusion), texts)


def _near(embedder: "TextEmbedder | None") -> Near | None:
    if embedder is None:
        return None

    def near(word: str, labels: Sequence[str]) -> tuple[str, float]:
        cosines = embedder.embed(labels) @ embedder.embed([word])[0]  # (labels,)
        best = int(cosines.argmax())
        return labels[best], float(cosines[best])

    return near
