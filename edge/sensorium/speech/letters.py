"""Guesses how an unknown word sounds from its letters: the small recurrent network of g2p-en.

https://github.com/Kyubyong/g2p: one GRU reads the letters, a second writes ARPAbet phonemes, greedily.
"""

import numpy as np
from numpy.typing import NDArray

from sensorium.bundle.archives import read_arrays
from sensorium.errors import BundleError

Floats = NDArray[np.float32]

_LETTERS = {letter: 3 + i for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}  # after pad, unknown, end
_END_OF_WORD = 2
_START, _END = 2, 3
# The network's output alphabet, in its order, after pad, unknown, start and end.
_PHONES_TEXT = (
    "AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH EH0 EH1 EH2 ER0 ER1 "
    "ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 "
    "UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
)
_PHONES = _PHONES_TEXT.split()
MAX_PHONES = 24  # g2p-en stops at 20; a word of 32 letters, our longest, has a few more
_SHAPES = {
    "enc_emb": (29, 256),
    "enc_w_ih": (768, 256),
    "enc_w_hh": (768, 256),
    "enc_b_ih": (768,),
    "enc_b_hh": (768,),
    "dec_emb": (74, 256),
    "dec_w_ih": (768, 256),
    "dec_w_hh": (768, 256),
    "dec_b_ih": (768,),
    "dec_b_hh": (768,),
    "fc_w": (74, 256),
    "fc_b": (74,),
}


class LetterToSound:
    """The network with its weights, an ``.npz`` file. Raises BundleError when it is not that network's."""

    def __init__(self, weights: bytes) -> None:
        try:
            arrays = read_arrays(weights, "the letter-to-sound weights")
            self._w: dict[str, Floats] = {name: arrays[name].astype(np.float32) for name in _SHAPES}
        except (ValueError, KeyError, TypeError) as err:
            raise BundleError(f"the letter-to-sound weights cannot be read: {err}") from err
        for name, shape in _SHAPES.items():
            if self._w[name].shape != shape:
                raise BundleError(f"letter-to-sound {name} is {self._w[name].shape}; expected {shape}")

    def __call__(self, word: str) -> list[str]:
        """ARPAbet phones with stress digits of a word in a-z; other signs are passed over."""
        state = np.zeros(256, np.float32)
        for index in [*(_LETTERS[c] for c in word.lower() if c in _LETTERS), _END_OF_WORD]:
            state = self._step("enc", index, state)
        phones: list[str] = []
        index = _START
        for _ in range(MAX_PHONES):
            state = self._step("dec", index, state)
            index = int((self._w["fc_w"] @ state + self._w["fc_b"]).argmax())
            if index == _END:
                break
            if index > _END:
                phones.append(_PHONES[index - _END - 1])
        return phones

    def _step(self, side: str, index: int, state: Floats) -> Floats:
        """One step of a GRU, gates in PyTorch's order: reset, update, new; ``state`` (256,)."""
        w = self._w
        given = w[f"{side}_w_ih"] @ w[f"{side}_emb"][index] + w[f"{side}_b_ih"]  # (768,)
        kept = w[f"{side}_w_hh"] @ state + w[f"{side}_b_hh"]  # (768,)
        reset, update = np.split(1 / (1 + np.exp(-(given[:512] + kept[:512]))), 2)
        new = np.tanh(given[512:] + reset * kept[512:])
        return np.asarray((1 - update) * new + update * state, np.float32)
