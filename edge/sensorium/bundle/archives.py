"""Reading archives that others packed: what a damaged one raises, and arrays from an .npz file."""

import io
import lzma
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from sensorium.errors import BundleError
from sensorium.samples import Array

MOST_ARRAY_BYTES = 2**30  # of all arrays of one file; ours have a hundredth of that

DAMAGE = (  # what ``zipfile`` raises at the name, the header or the content of a member
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    KeyError,
    ValueError,  # a place before the beginning, a name that is no text
    RuntimeError,  # encrypted, or packed by a method that is not known
    OverflowError,
)

_NO_LITERAL = (TypeError, SyntaxError, tokenize.TokenError, MemoryError, RecursionError)  # what an array's header is


def read_arrays(content: bytes, what: str) -> dict[str, Array]:
    """The arrays of an .npz file by name; raises BundleError, in which the file is called ``what``, for any other."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            promised = sum(member.file_size for member in archive.infolist())
            if promised > MOST_ARRAY_BYTES:
                raise BundleError(f"{what}: its arrays have {promised:,} bytes; allowed: {MOST_ARRAY_BYTES:,}")
            return {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}
    except (*DAMAGE, *_NO_LITERAL) as err:
        reason = str(err) or type(err).__name__
        raise BundleError(f"{what}: no arrays can be read from it ({reason}); pack or copy the bundle again") from err


def _array(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(name) as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
    return array
