"""Changes to a batch of pictures: float32 (batch, 3, height, width), RGB 0..255."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor

from sensorium_compile.data.augment.config import Blur, Colour, Dark, Geometry, Grain, ImageAugment, Occlusion
from sensorium_compile.data.augment.dice import Dice, some

GAMMA = 2.2  # sRGB's transfer curve, nearly (IEC 61966-2-1)
_PATH_POINTS = 16  # of a shake's path: more than the pixels of the longest


def augment_images(images: Tensor, config: ImageAugment, dice: Dice, name: str = "vision") -> Tensor:
    """A changed copy of the batch; ``dice`` counts what was done under ``NAME.STEP``."""
    out = images.clone()
    some(out, name, config.geometry, moved, dice)
    some(out, name, config.occlusion, covered, dice)
    some(out, name, config.colour, coloured, dice)
    some(out, name, config.blur, blurred, dice)
    some(out, name, config.dark, darkened, dice)
    some(out, name, config.grain, grained, dice)
    return out.clamp_(0, 255)


def moved(images: Tensor, config: Geometry, dice: Dice) -> Tensor:
    """Shifted, scaled, turned, mirrored; what comes in from outside repeats the edge."""
    count = len(images)
    turn = dice.uniform((-1, 1), count) * math.radians(config.turn_deg)
    zoom = 1 / dice.ratio(config.scale, count)
    flip = torch.where(dice.uniform((0, 1), count) < config.mirror, -1.0, 1.0)
    shift = dice.uniform((-2 * config.shift, 2 * config.shift), count, 2)  # grid units: the side is 2
    cos, sin = torch.cos(turn) * zoom, torch.sin(turn) * zoom
    theta = torch.stack(
        [torch.stack([cos * flip, -sin, shift[:, 0]], 1), torch.stack([sin * flip, cos, shift[:, 1]], 1)], 1
    )  # (count, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def covered(images: Tensor, config: Occlusion, dice: Dice) -> Tensor:
    """A part is covered by a colour and noise, by stripes, or by the same part of another picture."""
    count, _, height, width = images.shape
    mask = _shapes(count, height, width, config, dice)
    colour = dice.uniform((0, 255), count, 3, 1, 1)
    noise = dice.normal(count, 3, height, width) * dice.uniform((0, 60), count, 1, 1, 1)
    plain = (colour + noise).clamp(0, 255)
    striped = torch.where(_stripes(count, height, width, dice), colour, dice.uniform((0, 255), count, 3, 1, 1))
    kind = dice.uniform((0, 1), count, 1, 1, 1)
    other = images[dice.integers(count, count)].flip(3)
    fill = torch.where(kind < (1 - config.other) / 2, plain, torch.where(kind < 1 - config.other, striped, other))
    return torch.where(mask, fill, images)


def coloured(images: Tensor, config: Colour, dice: Dice) -> Tensor:
    """Brightness, contrast, saturation, white balance."""
    count = len(images)

    def about_one(share: float, channels: int = 1) -> Tensor:
        return dice.uniform((1 - share, 1 + share), count, channels, 1, 1)

    out = images * about_one(config.brightness) * about_one(config.balance, 3)
    mean = out.mean((1, 2, 3), keepdim=True)
    out = (out - mean) * about_one(config.contrast) + mean
    grey = out.mean(1, keepdim=True)
    return ((out - grey) * about_one(config.saturation) + grey).clamp(0, 255)


def blurred(images: Tensor, config: Blur, dice: Dice) -> Tensor:
    """Each picture convolved with its own path of a shaking hand, itself a little out of focus."""
    count, channels, height, width = images.shape
    kernels = _paths(count, min(height, width), config, dice)  # (count, k, k)
    reach = kernels.shape[-1] // 2
    padded = F.pad(images, (reach,) * 4, mode="replicate").reshape(1, count * channels, height + 2 * reach, -1)
    weight = kernels.repeat_interleave(channels, 0)[:, None]  # (count * 3, 1, k, k)
    return F.conv2d(padded, weight, groups=count * channels).reshape(images.shape)


def darkened(images: Tensor, config: Dark, dice: Dice) -> Tensor:
    """Less light, the noise of photons and of the sensor, then a random part of the lost brightness again."""
    count = len(images)
    exposure = dice.ratio(config.exposure, count, 1, 1, 1)
    light = (images.clamp(0, 255) / 255).pow(GAMMA) * exposure
    deviation = (
        light * dice.ratio(config.shot, count, 1, 1, 1) + dice.ratio(config.read, count, 1, 1, 1).square()
    ).sqrt()
    noisy = (light + deviation * exposure.sqrt() * dice.normal(*images.shape)).clamp(min=0)
    gain = exposure.pow(-dice.uniform((0, 1), count, 1, 1, 1))  # 1: as dark as it is, 1 / exposure: all back
    return (noisy * gain).clamp(max=1).pow(1 / GAMMA) * 255


def grained(images: Tensor, config: Grain, dice: Dice) -> Tensor:
    """Gaussian noise, the same strength over the picture."""
    return images + dice.uniform(config.deviation, len(images), 1, 1, 1) * dice.normal(*images.shape)


def _shapes(count: int, height: int, width: int, config: Occlusion, dice: Dice) -> Tensor:
    """What is covered: (count, 1, height, width) bool; sides, rectangles and ellipses."""
    y = torch.linspace(0, 1, height, device=dice.device)[None, :, None]
    x = torch.linspace(0, 1, width, device=dice.device)[None, None, :]
    area = dice.uniform(config.area, count, 1, 1)
    aspect = dice.ratio((0.4, 2.5), count, 1, 1)
    tall = (area * aspect).sqrt().clamp(max=1)
    wide = (area / tall).clamp(max=1)
    tall = area / wide
    centre_y, centre_x = (dice.uniform((0, 1), count, 1, 1) for _ in range(2))
    # Inside the picture, so that the area is what was asked.
    dy = (y - (centre_y * (1 - tall) + tall / 2)) / tall
    dx = (x - (centre_x * (1 - wide) + wide / 2)) / wide
    rectangle = (dy.abs() < 0.5) & (dx.abs() < 0.5)
    ellipse = dy.square() + dx.square() < 1 / math.pi
    angle = dice.uniform((0, 2 * math.pi), count, 1, 1)
    side = _along(y, x, angle) > _edge(angle, area)
    kind = dice.uniform((0, 1), count, 1, 1)
    inside = torch.where(kind < (1 + config.sides) / 2, rectangle, ellipse)
    return torch.where(kind < config.sides, side, inside)[:, None]


def _stripes(count: int, height: int, width: int, dice: Dice) -> Tensor:
    """Every other stripe, of a random width and angle: (count, 1, height, width) bool."""
    y = torch.linspace(0, 1, height, device=dice.device)[:, None]
    x = torch.linspace(0, 1, width, device=dice.device)
    along = _along(y, x, dice.uniform((0, 2 * math.pi), count, 1, 1, 1))
    return (along / dice.ratio((0.02, 0.2), count, 1, 1, 1)).floor() % 2 == 0


def _along(y: Tensor, x: Tensor, angle: Tensor) -> Tensor:
    return (x - 0.5) * torch.cos(angle) + (y - 0.5) * torch.sin(angle)


def _edge(angle: Tensor, area: Tensor) -> Tensor:
    """Beyond which place along ``angle`` lies that share of the picture, on a grid of 24 x 24: all (count, 1, 1)."""
    line = (torch.arange(24, device=angle.device) + 0.5) / 24
    ordered = _along(line[:, None], line, angle).flatten(1).sort(1, descending=True).values  # (count, 576)
    place = (area * ordered.shape[1]).long().clamp(max=ordered.shape[1] - 1)
    return ordered.gather(1, place[:, :, 0])[..., None]


def _paths(count: int, side: int, config: Blur, dice: Dice) -> Tensor:
    """Point spread functions (count, k, k) of sum 1: Gaussians along a curved path through the centre."""
    reach = max(1, round(config.reach * side / 2 + config.defocus * side))
    length = dice.uniform((0, config.reach * side), count, 1)
    angle = dice.uniform((0, 2 * math.pi), count, 1)
    bend = dice.uniform((-1.5, 1.5), count, 1)  # radians over the whole path
    at = torch.linspace(-0.5, 0.5, _PATH_POINTS, device=dice.device)[None]  # (1, points)
    heading = angle + bend * at
    step = length / (_PATH_POINTS - 1)
    path = torch.stack([torch.sin(heading) * step, torch.cos(heading) * step], 2).cumsum(1)  # (count, points, 2)
    path = path - path.mean(1, keepdim=True)
    width = dice.uniform((0.35, max(0.36, config.defocus * side)), count, 1, 1, 1)
    grid = torch.arange(-reach, reach + 1, device=dice.device, dtype=torch.float32)
    dy = grid[None, None, :, None] - path[:, :, 0, None, None]
    dx = grid[None, None, None, :] - path[:, :, 1, None, None]
    kernels = torch.exp(-(dy.square() + dx.square()) / (2 * width.square())).sum(1)  # (count, k, k)
    return kernels / kernels.sum((1, 2), keepdim=True)
