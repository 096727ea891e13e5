"""What is done to a training batch, how often and how strongly: the recipe's table ``[augment.MODALITY]``.

Each step is a table of its own (``[augment.vision.blur]``); a step that is not named keeps its defaults, and
``probability = 0`` turns it off. The defaults are for small photos of one thing and for single spoken words.
"""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


def _ordered(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"a range is (least, most); given {span}")
    return span


Range: TypeAlias = Annotated[tuple[float, float], AfterValidator(_ordered)]


class Step(BaseModel):
    """One kind of change and the share of samples that get it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    probability: Share


class Geometry(Step):
    """Crop, shift, scale, turn and (where asked) mirror, in one resampling."""

    probability: Share = 0.9
    shift: Share = 0.12  # of the side, each way
    scale: Range = (0.8, 1.25)  # above 1: cropped and enlarged
    turn_deg: float = Field(default=15.0, ge=0, le=180)
    mirror: Share = 0.0  # of the samples that get this step


class Occlusion(Step):
    """A rectangle, an ellipse or one side is covered by a colour, by noise or by another picture of the batch."""

    probability: Share = 0.35
    area: Range = (0.08, 0.55)  # share of the picture that is covered
    sides: Share = 1 / 3  # of the covers, how many are one side; the rest are rectangles and ellipses alike
    other: Share = 0.5  # of the covers, how many show another picture of the batch; the rest a colour or stripes


class Colour(Step):
    """Brightness, contrast, saturation and white balance."""

    probability: Share = 0.8
    brightness: Share = 0.3
    contrast: Share = 0.3
    saturation: Share = 0.4
    balance: Share = 0.15  # each channel apart


class Blur(Step):
    """Camera shake along a curved path, and defocus."""

    probability: Share = 0.25
    reach: Share = 0.12  # the longest path, as a share of the picture's side
    defocus: Share = 0.02  # the widest Gaussian, as a share of the side


class Dark(Step):
    """Little light: the exposure falls, so shot and read noise show; a camera's gain brings some of it back."""

    probability: Share = 0.25
    exposure: Range = (0.03, 0.7)  # of linear light
    shot: Range = (0.0005, 0.01)  # variance a unit of light
    read: Range = (0.002, 0.02)  # standard deviation, full scale 1


class Grain(Step):
    """Plain Gaussian noise."""

    probability: Share = 0.2
    deviation: Range = (2.0, 20.0)  # of 255


class ImageAugment(BaseModel):
    """Steps for pictures, in the order in which they are done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    geometry: Geometry = Geometry()
    occlusion: Occlusion = Occlusion()
    colour: Colour = Colour()
    blur: Blur = Blur()
    dark: Dark = Dark()
    grain: Grain = Grain()


class Speed(Step):
    """Played slower or faster, pitch and formants with it, and moved in time (never out of the window)."""

    probability: Share = 0.8
    speed: Range = (0.85, 1.18)
    shift: Share = 0.2  # of the window, each way


class Formants(Step):
    """A longer or shorter vocal tract at the same pitch: the spectral envelope is stretched."""

    probability: Share = 0.6
    stretch: Range = (0.82, 1.22)


class Room(Step):
    """Reverberation by a made-up room: exponentially decaying noise and a few early reflections."""

    probability: Share = 0.4
    decay_s: Range = (0.1, 0.9)  # T60
    direct_db: Range = (-4.0, 12.0)  # direct to reverberant


class Band(Step):
    """What a cheap microphone or a codec takes away: lows, highs, a notch; and a tilt of the rest."""

    probability: Share = 0.5
    low_hz: Range = (30.0, 350.0)
    high_hz: Range = (2600.0, 7900.0)
    tilt_db: float = Field(default=6.0, ge=0)  # an octave at most, over four octaves around 1 kHz
    notch: Share = 0.3  # how many of these also lose a band of up to a fifth of the mel scale


class Noise(Step):
    """Coloured noise, babble of the other clips of the batch, or clips of a noise pool, at a random ratio."""

    probability: Share = 0.7
    snr_db: Range = (-6.0, 25.0)  # sounding part of the clip against the noise
    babble: Share = 0.3  # of the noisy samples
    pool: Share = 0.35  # of the noisy samples, where there is a pool


class Gaps(Step):
    """A short piece is silent: a lost packet."""

    probability: Share = 0.15
    longest_s: float = Field(default=0.06, gt=0)


class Gain(Step):
    """Louder or softer; what then exceeds [-1, 1] is clipped."""

    probability: Share = 0.9
    gain_db: Range = (-20.0, 6.0)


class SoundAugment(BaseModel):
    """Steps for sound, in the order in which they are done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    speed: Speed = Speed()
    formants: Formants = Formants()
    gaps: Gaps = Gaps()
    room: Room = Room()
    noise: Noise = Noise()
    band: Band = Band()
    gain: Gain = Gain()


class Words(Step):
    """Single words (pieces) become unknown."""

    probability: Share = 0.3
    share: Share = 0.15  # of the words


class Rephrase(Step):
    """The same said otherwise: words are left out, as in speech, or others said in their place."""

    probability: Share = 0.0  # it needs words of the recipe's own
    share: Share = 0.3  # of the words that can change
    drop: tuple[str, ...] = ()  # the meaning does not need them: "?", "the"
    instead: dict[str, tuple[str, ...]] = {}  # "color" -> "colour"; "[UNK]" is a word that nobody knows


class TextAugment(BaseModel):
    """Steps for text, in the order in which they are done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rephrase: Rephrase = Rephrase()
    words: Words = Words()


class Crop(Step):
    """A shorter piece of the window is stretched to its length."""

    probability: Share = 0.5
    share: Range = (0.6, 1.0)  # of the window that is kept


class Drift(Step):
    """Each channel is scaled and moved: another sensor of the same kind, another day."""

    probability: Share = 0.8
    scale: Share = 0.15
    offset: Share = 0.15  # of the channel's deviation in the batch


class Jitter(Step):
    """White noise on each reading."""

    probability: Share = 0.5
    deviation: Share = 0.05  # of the channel's deviation in the batch


class Dead(Step):
    """One channel stays at the window's first reading."""

    probability: Share = 0.1


class ReadingsAugment(BaseModel):
    """Steps for readings, in the order in which they are done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    crop: Crop = Crop()
    drift: Drift = Drift()
    jitter: Jitter = Jitter()
    dead: Dead = Dead()
