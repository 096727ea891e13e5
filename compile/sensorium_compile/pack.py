"""The last stage: drafts of parts become a bundle whose hash depends on nothing but what is in it."""

import hashlib
import io
import platform
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime as ort

from sensorium.backends import open_graph
from sensorium.bundle import FallbackEntry, FileEntry, GraphEntry, Manifest, PartEntry, TensorSpec
from sensorium.bundle.loaded import GOLDEN, MANIFEST
from sensorium.bundle.manifest import DType
from sensorium.errors import BackendError
from sensorium.host import Host
from sensorium.samples import Array
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError

_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's own zero: a time of making would change the hash
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}
GOLDEN_THREADS = 1  # so that the order of additions, and with it the last digit, is the same everywhere


def pack(name: str, target: str, parts: Mapping[str, PartDraft], out: Path, host: Host | None = None) -> Manifest:
    """Write the bundle to ``out``: a folder, or one file where ``out`` ends in .zip. What was there is replaced.

    ``host`` is the machine that runs it, where the target's name alone does not say so.

    Raises CompileError when a graph does not open, or does not do on its golden inputs what it declares.
    """
    files: dict[str, bytes] = {}
    golden: dict[str, Array] = {}
    entries = {part: _add_part(part, draft, files, golden) for part, draft in parts.items()}
    if golden:
        files[GOLDEN] = _npz(golden)
    manifest = Manifest(
        name=name,
        target=target,
        host=host,
        parts=entries,
        files={path: _file_entry(content) for path, content in sorted(files.items())},
        tools=_tools(parts.values()),
        notes=tuple(
            f"{part}/{name}: {note}"
            for part, draft in parts.items()
            for name, graph in draft.graphs.items()
            for note in graph.notes
        ),
    )
    files[MANIFEST] = (manifest.model_dump_json(indent=1) + "\n").encode()
    if out.suffix == ".zip":
        _write_zip(files, out)
    else:
        _write_folder(files, out)
    return manifest


def deliver(folder: Path, out: Path) -> None:
    """Copy a bundle (with what lies beside its manifest) to ``out``, a folder or a .zip file; whole or not at all."""
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    if out.suffix == ".zip":
        _write_zip(files, out)
    else:
        _write_folder(files, out)


def _add_part(part: str, draft: PartDraft, files: dict[str, bytes], golden: dict[str, Array]) -> PartEntry:
    graphs = {}
    for name, graph in draft.graphs.items():
        path = f"{part}/{name}{graph.suffix}"
        files[path] = graph.model
        graphs[name] = _describe(path, graph)
        golden |= _golden(f"{part}/{name}", graphs[name], graph)
        if graph.fallback is not None:
            graphs[name] = _with_fallback(f"{part}/{name}", graphs[name], graph.fallback, files)
    for file_name, content in draft.files.values():
        files[f"{part}/{file_name}"] = content
    return PartEntry(
        role=draft.role,
        graphs=graphs,
        files={name: f"{part}/{file_name}" for name, (file_name, _) in draft.files.items()},
        config=dict(draft.config),
        origins=draft.origins,
        figures=dict(draft.figures),
    )


def _with_fallback(name: str, entry: GraphEntry, spare: GraphDraft, files: dict[str, bytes]) -> GraphEntry:
    """The entry with its fallback, which takes and gives the same and runs on its golden inputs."""
    path = f"{name}-fallback{spare.suffix}"
    own = _describe(path, spare)
    if (own.inputs, own.outputs) != (entry.inputs, entry.outputs):
        raise CompileError(f"{path} does not take and give what {entry.file} does; a fallback must")
    _golden(f"{name}-fallback", own, spare)
    files[path] = spare.model
    fallback = FallbackEntry(file=path, backend=own.backend, precision=own.precision)
    return entry.model_copy(update={"fallback": fallback})


def _tools(parts: Iterable[PartDraft]) -> dict[str, str]:
    """Versions of all that had a hand in the graphs, by name of the distribution."""
    graphs = [graph for part in parts for graph in part.graphs.values()]
    graphs += [graph.fallback for graph in graphs if graph.fallback is not None]
    used = {tool for graph in graphs for tool in graph.tools}
    versions = {tool: metadata.version(tool) for tool in sorted(used | {"numpy", "onnx", "onnxruntime"})}
    return versions | {"python": platform.python_version()}


def entry_of(name: str, graph: GraphDraft) -> GraphEntry:
    """The manifest's entry of a draft, before it is packed."""
    return _describe(f"{name}{graph.suffix}", graph)


def _describe(path: str, graph: GraphDraft) -> GraphEntry:
    inputs, outputs = _signature(path, graph)
    return GraphEntry(
        file=path,
        backend=graph.backend,
        inputs=inputs,
        outputs=outputs,
        precision=graph.precision,
        evidence=graph.evidence,
    )


def _signature(path: str, graph: GraphDraft) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """A draft's inputs and outputs, or as an ONNX graph tells them itself."""
    if graph.inputs:
        return graph.inputs, graph.outputs
    if graph.backend != "onnxruntime":
        raise CompileError(f"{path}: a graph for {graph.backend} must declare its inputs and outputs in its draft")
    try:
        session = ort.InferenceSession(graph.model, providers=["CPUExecutionProvider"])
    except Exception as err:
        raise CompileError(f"{path}: onnxruntime refuses it: {err}") from err
    return tuple(map(_spec, session.get_inputs())), tuple(map(_spec, session.get_outputs()))


def _spec(node: ort.NodeArg) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
    return TensorSpec(name=node.name, dtype=cast(DType, _DTYPES[node.type]), shape=shape)


def _golden(prefix: str, entry: GraphEntry, graph: GraphDraft) -> dict[str, Array]:
    """Golden inputs and the outputs they give, by key ``part/graph/case/in|out/tensor``."""
    if not graph.golden:
        return {}
    tensors: dict[str, Array] = {}
    answers = graph.answers
    try:
        opened = open_graph(entry, graph.model, threads=GOLDEN_THREADS) if answers is None else None
        for case, feeds in graph.golden.items():
            made = opened.run(feeds) if opened is not None else dict((answers or {})[case])
            _check_case(f"{prefix}/{case}", entry, feeds, made)
            tensors |= {f"{prefix}/{case}/in/{name}": value for name, value in feeds.items()}
            tensors |= {f"{prefix}/{case}/out/{name}": value for name, value in made.items()}
    except BackendError as err:
        raise CompileError(f"{prefix} does not run on its golden inputs: {err}") from err
    return tensors


def _check_case(case: str, entry: GraphEntry, feeds: Mapping[str, Array], made: Mapping[str, Array]) -> None:
    """Do the tensors have the shapes and types that the manifest will promise?"""
    for spec, tensors in [*((s, feeds) for s in entry.inputs), *((s, made) for s in entry.outputs)]:
        tensor = tensors[spec.name]
        fits = len(tensor.shape) == len(spec.shape) and all(
            size in (-1, got) for size, got in zip(spec.shape, tensor.shape, strict=True)
        )
        if not fits or (spec.dtype != "string" and tensor.dtype.name != spec.dtype):
            raise CompileError(
                f"{case}: tensor {spec.name} is {tensor.dtype} {tensor.shape}, declared: {spec.dtype} {spec.shape}"
            )


def _file_entry(content: bytes) -> FileEntry:
    return FileEntry(sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def _npz(arrays: Mapping[str, Array]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(arrays.items()):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(_zip_info(f"{name}.npy", zipfile.ZIP_DEFLATED), content.getvalue())
    return buffer.getvalue()


def _zip_info(name: str, compression: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = compression
    return info


def _write_folder(files: Mapping[str, bytes], out: Path) -> None:
    with _beside(out) as scratch:
        folder = scratch / "bundle"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if out.is_dir():
            if any(out.iterdir()) and not (out / MANIFEST).is_file():
                raise CompileError(f"{out} exists and is no bundle; give another --out")
            out.rename(scratch / "old")
        folder.rename(out)


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """Several files as one, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(_zip_info(name, zipfile.ZIP_STORED), content)
    return buffer.getvalue()


def _write_zip(files: Mapping[str, bytes], out: Path) -> None:
    with _beside(out) as scratch:
        path = scratch / "bundle.zip"
        path.write_bytes(zip_of(files))
        path.replace(out)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A scratch folder on the same disk as ``out``, gone afterwards: a bundle appears whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
