"""The scene model: its spectrum, its towers, places in text space, factors, the checkpoint, what it gives."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sensorium.backends import open_graph  # noqa: E402
from sensorium.components.sound import log_mel  # noqa: E402
from sensorium_compile.checkpoint import shipped  # noqa: E402
from sensorium_compile.data.examples import subsets  # noqa: E402
from sensorium_compile.errors import CompileError  # noqa: E402
from sensorium_compile.fit.fitted import SOUND_ENCODER_FILE  # noqa: E402
from sensorium_compile.fit.sound_encoder import cut_encoder  # noqa: E402
from sensorium_compile.lower import Calibration, lower  # noqa: E402
from sensorium_compile.lower.candidates import Candidate, entry_of  # noqa: E402
from sensorium_compile.parts.scene import exportables  # noqa: E402
from sensorium_compile.scene.checkpoint import load_scene, save_scene  # noqa: E402
from sensorium_compile.scene.distil import DistilPlan, Mixer, difference, distil  # noqa: E402
from sensorium_compile.scene.evaluate import average_precision  # noqa: E402
from sensorium_compile.scene.factorise import factorised  # noqa: E402
from sensorium_compile.scene.model import STUDENT, ScenePlan, build_scene, example_samples  # noqa: E402
from sensorium_compile.scene.space import Places, centred, factorise, place_matrix  # noqa: E402
from sensorium_compile.scene.spectrum import LogMel  # noqa: E402
from sensorium_compile.scene.towers import SoundPlan, VisionPlan  # noqa: E402
from sensorium_compile.scene.yamnet import WHOLE, Layout, Patches, YamNet  # noqa: E402

SMALL_RANKS = (None, *(4,) * 13)
SMALL = ScenePlan(VisionPlan("lite0", 32, 8), SoundPlan(SMALL_RANKS, 8, Layout(2, 48)))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def test_the_spectrum_in_the_graph_is_that_of_the_runtime():
    sound = np.random.default_rng(0).normal(0, 0.1, 15_600).astype(np.float32)
    given = LogMel()(torch.from_numpy(sound[None]))[0].numpy()
    assert given.shape == (96, 64)
    assert np.abs(given - log_mel(sound)).max() < 1e-5


def test_patches_are_the_spectrum_cut_at_each_step():
    layout = Layout(count=3, step=48)
    sound = torch.randn(2, layout.samples) * 0.1
    patches = Patches(layout)(sound)
    whole = LogMel()(sound)
    assert patches.shape == (6, 96, 64)
    assert torch.equal(patches[4], whole[1, 48:144])


def test_silence_gives_a_finite_spectrum_and_a_finite_place():
    model = build_scene(SMALL)
    sound = torch.zeros(1, SMALL.sound.layout.samples)
    out = model({"vision": torch.zeros(1, 3, 32, 32), "audio": sound}, torch.ones(1, 2))["place"]
    assert torch.isfinite(out).all()


def test_a_class_that_is_certain_lies_nearest_to_its_own_name():
    names = np.random.default_rng(0).normal(size=(50, 384)).astype(np.float32)
    names = centred(names, names.mean(0))
    places = Places(50)
    places.load(place_matrix(names, 0.1), ignored=7)
    found = places(torch.eye(50)).detach().numpy() @ names.T
    right = found.argmax(1) == np.arange(50)
    assert right.sum() == 49
    assert not right[7]


def test_a_factorised_layer_of_full_rank_is_the_layer():
    weight, scale = torch.randn(12, 20), torch.rand(20) + 0.5
    first, second = factorise(weight, scale, 12)
    assert torch.allclose(second @ first, weight, atol=1e-4)


def test_factors_keep_what_the_network_says_where_its_outputs_lie_on_few_axes():
    net, patches = YamNet(), torch.randn(24, 96, 64)
    with torch.no_grad():  # 256 channels out of 8
        conv = net.layers[5].pointwise.conv
        conv.weight.copy_((torch.randn(256, 8) @ torch.randn(8, 256) / 30)[:, :, None, None])
    small, smaller = (factorised(net, (*WHOLE[:5], rank, *WHOLE[6:]), None, patches) for rank in (8, 4))
    assert small.layers[5].pointwise.conv[0].out_channels == 8
    with torch.no_grad():
        wanted, near, far = (one.layers[:6](patches[:, None]) for one in (net, small, smaller))
    lost, more = ((one - wanted).square().mean() for one in (near, far))
    assert lost < 1e-3 * more, "eight axes hold all, four do not"
    assert more < wanted.var()
    with pytest.raises(CompileError, match="factorised already"):
        factorised(small, WHOLE, 8, patches)


def test_distilling_brings_the_student_nearer_and_gives_the_same_each_time():
    teacher, matrix = YamNet(SMALL_RANKS, 8).eval(), torch.randn(521, 16) * 0.1
    spectra = [torch.randn(200, 64) - 3, torch.randn(60, 64) - 3]

    def trained() -> YamNet:
        torch.manual_seed(1)
        student = YamNet(SMALL_RANKS, 4)
        distil(student, teacher, matrix, Mixer(spectra, [1, 1], 0), DistilPlan(steps=30, batch=8), lambda _: None)
        return student

    first, second = trained(), trained()
    torch.manual_seed(1)
    fresh = YamNet(SMALL_RANKS, 4).eval()
    patches = Mixer(spectra, [1, 1], 5).draw(16)
    with torch.no_grad():
        assert difference(first(patches), teacher(patches), matrix) < difference(
            fresh(patches), teacher(patches), matrix
        )
        assert torch.equal(first(patches), second(patches))


def test_a_missing_sense_does_not_matter_and_nothing_gives_no_place():
    model = build_scene(SMALL)
    samples = example_samples(SMALL)
    with torch.no_grad():
        both, seen, nothing = (
            model(samples, torch.tensor([presence]))["place"] for presence in ([1.0, 1.0], [1.0, 0.0], [0.0, 0.0])
        )
        other = model({**samples, "audio": torch.randn_like(samples["audio"])}, torch.tensor([[1.0, 0.0]]))["place"]
    assert torch.equal(seen, other)
    assert not torch.equal(seen, both)
    assert torch.allclose(both.norm(dim=1), torch.ones(1))
    assert nothing.abs().max() == 0


def test_a_checkpoint_gives_the_model_that_was_saved(tmp_path: Path):
    model = build_scene(SMALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    save_scene(model, tmp_path)
    loaded = load_scene(tmp_path, SMALL)
    samples = example_samples(SMALL)
    with torch.no_grad():
        for mask in subsets(model.modalities).values():
            presence = torch.tensor([mask], dtype=torch.float32)
            assert torch.equal(model(samples, presence)["place"], loaded(samples, presence)["place"])
    weight = "encoders.vision.classes.0.weight"
    assert (before[weight] - loaded.state_dict()[weight]).abs().max() <= before[weight].abs().max() / 250


def test_a_checkpoint_that_is_missing_damaged_or_anothers_says_so(tmp_path: Path):
    with pytest.raises(CompileError, match="no checkpoint"):
        load_scene(tmp_path, SMALL)
    (tmp_path / "student.safetensors").write_bytes(b"nothing")
    with pytest.raises(CompileError, match="damaged"):
        load_scene(tmp_path, SMALL)
    save_scene(build_scene(SMALL), tmp_path)
    with pytest.raises(CompileError, match="not of this scene model"):
        load_scene(tmp_path, STUDENT)


def test_average_precision_is_one_when_all_that_is_wanted_comes_first():
    assert average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, True, False])) == 1.0
    assert average_precision(np.array([0.9, 0.8, 0.1]), np.array([False, True, False])) == 0.5


@pytest.mark.skipif(shipped("scene") is None, reason="the scene checkpoint is not in this tree")
def test_the_shipped_student_is_small_and_complete():
    folder = shipped("scene")
    assert folder is not None
    assert (folder / "student.safetensors").stat().st_size <= 8_000_000
    model = load_scene(folder)
    assert model.modalities == ("vision", "audio")


def test_the_exported_fusion_gives_the_same_for_every_subset_and_nothing_where_nothing_is():
    model = build_scene(SMALL)
    graphs = {name: lower("onnxruntime", g, "float32", Calibration()) for name, g in exportables(model, SMALL).items()}
    form = Candidate("onnxruntime", "float32", graphs, {}).open()
    samples = {name: sample.numpy() for name, sample in example_samples(SMALL).items()}
    tokens = {name: form.encode(name, sample) for name, sample in samples.items()}
    for mask in ((True, True), (True, False), (False, True), (False, False)):
        given = form.fuse(tokens, mask)["place"]
        with torch.no_grad():
            wanted = model(example_samples(SMALL), torch.tensor([mask], dtype=torch.float32))["place"].numpy()
        assert np.abs(given - wanted).max() < 1e-3
    zeros = {name: np.zeros_like(own) for name, own in tokens.items()}
    assert np.isfinite(form.fuse(zeros, (True, False))["place"]).all()


@pytest.mark.skipif(shipped("scene") is None, reason="the scene checkpoint is not in this tree")
def test_the_companion_hears_with_the_sound_tower_of_the_student_that_ships():
    draft = cut_encoder()
    assert draft.model == SOUND_ENCODER_FILE.read_bytes()
    patches = torch.from_numpy(np.random.default_rng(0).uniform(-7, 0, (3, 96, 64)).astype(np.float32))
    tower = load_scene(shipped("scene")).encoders["audio"]
    with torch.no_grad():
        expected = tower.net(patches).numpy()
        values = open_graph(entry_of("encoder", draft), draft.model, threads=1).run({"patches": patches.numpy()})[
            "values"
        ]
        given = tower.net.classes[1](torch.from_numpy(values)).numpy()
    assert np.abs(given - expected).max() < 1e-2 * np.abs(expected).max()
