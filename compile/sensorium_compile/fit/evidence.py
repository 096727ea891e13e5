"""Fits what each sense's evidence is worth, on labelled data that the senses were not trained on.

    python -m sensorium_compile.fit.evidence --bundle BUNDLE --coco DIR --sounds HELD_OUT.npz

``DIR`` holds COCO photos (``labels.json`` with boxes and captions, and the photos by split); ``HELD_OUT.npz``
is what ``sensorium_compile.fit.sound`` writes. Each sense is fitted on half of the cases and measured on the
other; candidates are the labels, and other words for them. Writes ``evidence.json``.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.bundle import Bundle
from sensorium.components.classifier import Classifier
from sensorium.components.detector import Detector
from sensorium.components.embedder import TextEmbedder
from sensorium.evidence import Calibration, Evidence, EvidenceFusion, FusionConfig, Phrase
from sensorium_compile.fit.fitted import EVIDENCE_FILE
from sensorium_compile.fit.logistic import Floats, figures, fit_logistic
from sensorium_compile.fit.synonyms import COCO, SOUNDS

PRIOR = 0.04  # of COCO's 80 classes, one photo in 26 shows a given one: 0.039 over the fit's photos
FLOORS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)  # tried for each sense
# Chosen, not fitted: pictures age as fast as people move, a sound lasts seconds, words stay in mind.
HALF_LIVES_S = {"vision": 2.0, "audio": 4.0, "speech": 30.0, "text": 30.0}
NAMES = 10  # best names of the classifier that are kept
WEAK = 0.1  # detections from this score on are evidence: mAP 0.89, from 0.3 on 0.77, from 0.4 on 0.70
SEED = 0  # of the split in halves


@dataclass(frozen=True, slots=True)
class Cases:
    """What a sense told of each case, what was there, and in which words it may be asked for."""

    sense: str
    evidences: tuple[Evidence, ...]
    present: Floats  # (cases, things) 0 or 1
    wordings: tuple[tuple[str, ...], ...]  # each (things,)
    vocabulary: tuple[str, ...] = ()


def fit(fusion: EvidenceFusion, cases: Cases, data: str) -> tuple[Calibration, dict[str, dict[str, float]]]:
    """The calibration with the least loss on one half, and its figures on the other half by wording."""
    fitting = np.random.default_rng(SEED).permutation(len(cases.evidences)) % 2 == 0
    trials = [_fit_half(fusion, cases, floor, fitting) for floor in FLOORS]
    calibration = min(trials, key=lambda trial: trial[1])[0]
    told = {f"wording {i}": figures(*trial) for i, trial in enumerate(_told(fusion, calibration, cases, ~fitting))}
    provenance = f"{data}; fitted on {fitting.sum()} cases, on the others: {json.dumps(told)}"
    return calibration.model_copy(update={"provenance": provenance}), told


def photo_cases(bundle: Bundle, root: Path) -> Cases:
    """Detections and names of every photo."""
    detector, classifier = Detector(bundle.part("detector")), Classifier(bundle.part("classifier"))
    evidences, present = [], []
    for name, entry in json.loads((root / "labels.json").read_text("utf-8")).items():
        image = _read_image(root / entry["split"] / f"{name}.jpg")
        seen = [Phrase(found.label, found.score) for found in detector.detect(image, WEAK)]
        named = classifier.names(classifier.classify(image), NAMES)
        shares = [Phrase(text, min(1.0, probability), "share") for text, probability in named]
        evidences.append(Evidence("vision", (*seen, *shares), 0))
        present.append(_present(entry["boxes"]))
    return Cases("vision", tuple(evidences), np.stack(present), coco_wordings(detector.labels))


def caption_cases(root: Path, labels: Sequence[str]) -> Cases:
    """What people wrote of the photos, as if it had been said or typed."""
    entries = json.loads((root / "labels.json").read_text("utf-8")).values()
    told = [(text, _present(entry["boxes"])) for entry in entries for text in entry.get("captions", ())]
    evidences = tuple(Evidence("text", (Phrase(text, 1.0, "share"),), 0) for text, _ in told)
    return Cases("text", evidences, np.stack([there for _, there in told]), coco_wordings(labels))


def sound_cases(path: Path) -> Cases:
    """The sound tagger's probabilities on clips of folds that its head had not seen."""
    with np.load(path, allow_pickle=False) as held_out:
        probabilities, truth = held_out["probabilities"], held_out["labels"]
        labels = [str(label) for label in held_out["names"]]
    evidences = [
        Evidence("audio", tuple(Phrase(t, min(1.0, float(p))) for t, p in zip(labels, row, strict=True)), 0)
        for row in probabilities
    ]
    asked = [labels.index(text) for text in SOUNDS]
    present = np.eye(len(labels))[truth][:, asked]
    return Cases("audio", tuple(evidences), present, (tuple(SOUNDS), tuple(SOUNDS.values())), tuple(SOUNDS))


def coco_wordings(labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """COCO's own names as a person would write them, and other words for the same."""
    return tuple(f"a {label}" for label in labels), tuple(COCO)


def _fit_half(
    fusion: EvidenceFusion, cases: Cases, floor: float, fitting: NDArray[np.bool_]
) -> tuple[Calibration, float]:
    start = Calibration(
        mean=1, best=1, bias=0, floor=floor, base_rate=float(cases.present[fitting].mean()),
        half_life_s=HALF_LIVES_S[cases.sense], vocabulary=cases.vocabulary,
    )  # fmt: skip
    features = np.concatenate([_features(fusion, start, cases, w)[fitting] for w in cases.wordings])
    there = np.concatenate([cases.present[fitting]] * len(cases.wordings))
    weights = fit_logistic(features.reshape(-1, 2), there.ravel())
    calibration = start.model_copy(
        update=dict(zip(("mean", "best", "bias"), (round(float(w), 4) for w in weights), strict=True))
    )
    log_odds = np.concatenate([o for o, _ in _told(fusion, calibration, cases, fitting)])
    return calibration, figures(log_odds, there)["log_loss"]


def _features(fusion: EvidenceFusion, calibration: Calibration, cases: Cases, wording: Sequence[str]) -> Floats:
    """The two similarities of every case and thing: (cases, things, 2)."""
    trial = fusion.with_senses({cases.sense: calibration})
    candidates = trial.candidates(wording)
    return np.stack([np.stack(trial.similarities(e, candidates), axis=-1) for e in cases.evidences])


def _told(
    fusion: EvidenceFusion, calibration: Calibration, cases: Cases, which: NDArray[np.bool_]
) -> list[tuple[Floats, Floats]]:
    """Log-odds and truth of the chosen cases, by wording."""
    weights = np.array([calibration.mean, calibration.best])
    return [
        (
            _features(fusion, calibration, cases, wording)[which] @ weights + calibration.bias,
            cases.present[which],
        )
        for wording in cases.wordings
    ]


def _present(boxes: Sequence[Sequence[float]]) -> Floats:
    there = np.zeros(len(COCO))
    there[[int(box[0]) for box in boxes]] = 1
    return there


def _read_image(path: Path) -> NDArray[np.uint8]:
    import cv2  # only who fits needs it

    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{path} is no picture")
    return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=EVIDENCE_FILE)
    args = parser.parse_args()
    with Bundle(args.bundle) as bundle:
        embedder = TextEmbedder(bundle.part("embedder"))
        fusion = EvidenceFusion(embedder.embed, embedder.centre, FusionConfig(prior=PRIOR, senses={}))
        photos = photo_cases(bundle, args.coco)
        labels = Detector(bundle.part("detector")).labels
    config = fit_all(fusion, photos, caption_cases(args.coco, labels), sound_cases(args.sounds))
    args.out.write_text(config.model_dump_json(indent=2) + "\n", "utf-8")


def fit_all(fusion: EvidenceFusion, photos: Cases, captions: Cases, sounds: Cases) -> FusionConfig:
    """Every sense; what is said counts as what is typed, for recognition rarely errs by a whole subject."""
    vision, _ = fit(fusion, photos, "COCO val2017 and train2017, 192 photos: detections and ImageNet names")
    text, _ = fit(fusion, captions, "COCO val2017 captions: what people say of a scene")
    audio, _ = fit(fusion, sounds, "ESC-10, 2 s windows of folds that the head had not seen")
    speech = text.model_copy(update={"half_life_s": HALF_LIVES_S["speech"]})
    senses = {"vision": vision, "audio": audio, "speech": speech, "text": text}
    return FusionConfig(prior=PRIOR, senses=senses)


if __name__ == "__main__":
    main()
