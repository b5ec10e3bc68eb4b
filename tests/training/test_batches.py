import numpy
import pytest
import torch
from PIL import Image

from triptych.training.arithmetic import Arithmetic
from triptych.training.batches import EvaluationTransform, TrainingTransform, Transforms, batches_of, epoch_order

CPU = torch.device("cpu")


def test_the_order_of_an_epoch_is_a_permutation_and_depends_on_seed_and_epoch_alone():
    first = epoch_order(0, 1, 100)
    assert sorted(first.tolist()) == list(range(100))
    torch.manual_seed(99)
    numpy.random.seed(99)
    assert torch.equal(first, epoch_order(0, 1, 100))
    assert not torch.equal(first, epoch_order(0, 2, 100))
    assert not torch.equal(first, epoch_order(1, 1, 100))


def test_batches_cover_every_image_once_and_the_last_holds_the_rest():
    batches = list(batches_of(epoch_order(0, 1, 50), 16))
    assert [len(batch) for batch in batches] == [16, 16, 16, 2]
    assert sorted(torch.cat(batches).tolist()) == list(range(50))


@pytest.mark.parametrize(("height", "width", "size"), [(8, 8, 32), (32, 32, 224), (64, 48, 32), (33, 20, 28)])
def test_resizing_agrees_with_pillow_within_a_grey_level(height, width, size):
    images = numpy.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=numpy.uint8)
    pixels = EvaluationTransform(size, [0, 0, 0], [1, 1, 1], CPU)(torch.from_numpy(images))
    assert pixels.shape == (3, 3, size, size)
    assert pixels.dtype == torch.float32
    bilinear = Image.Resampling.BILINEAR
    expected = numpy.stack([numpy.asarray(Image.fromarray(image).resize((size, size), bilinear)) for image in images])
    difference = pixels.permute(0, 2, 3, 1).numpy() * 255 - expected
    # Pillow rounds to grey levels twice, once for each direction
    assert numpy.abs(difference).max() < 1 + 1e-4


def test_normalisation_is_by_channel():
    images = torch.full((1, 4, 4, 3), 255, dtype=torch.uint8)
    pixels = EvaluationTransform(4, [0.5, 0.0, 1.0], [0.5, 2.0, 1.0], CPU)(images)
    assert pixels[0, :, 0, 0].tolist() == [1.0, 0.5, 0.0]


def noise(*shape) -> torch.Tensor:
    return torch.from_numpy(numpy.random.default_rng(0).integers(0, 256, shape, dtype=numpy.uint8))


@pytest.mark.parametrize(("stored", "size", "side"), [(32, 28, 28), (32, 12, 28), (37, 32, 32), (31, 12, 27)])
def test_the_centre_is_seen_of_images_that_are_stored_with_a_margin(stored, size, side):
    images = noise(2, stored, stored, 3)
    start = (stored - side) // 2
    centre = images[:, start : start + side, start : start + side]
    pixels = EvaluationTransform(size, [0, 0, 0], [1, 1, 1], CPU, crop=True)(images)
    assert pixels.shape == (2, 3, size, size)
    if side == size:  # not resized: the stored pixels
        assert torch.equal(pixels, centre.permute(0, 3, 1, 2) / 255)
    else:
        resized = [Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR) for image in centre.numpy()]
        difference = pixels.permute(0, 2, 3, 1).numpy() * 255 - numpy.stack([numpy.asarray(one) for one in resized])
        assert numpy.abs(difference).max() < 1 + 1e-4


@pytest.mark.parametrize(("stored", "size"), [(8, 32), (32, 32), (64, 32)])
def test_images_without_a_margin_are_seen_whole(stored, size):
    """The bits of a plain resize."""
    images = noise(3, stored, stored, 3)
    plain = images.permute(0, 3, 1, 2).float()
    if stored != size:
        plain = torch.nn.functional.interpolate(
            plain, (size, size), mode="bilinear", align_corners=False, antialias=stored > size
        )
    for transform in (EvaluationTransform, TrainingTransform):
        assert torch.equal(transform(size, [0, 0, 0], [1, 1, 1], CPU)(images), plain / 255)
        assert torch.equal(transform(size, [0.5] * 3, [0.25] * 3, CPU)(images), (plain / 255 - 0.5) / 0.25)
    if stored < size:  # a margin would be enlarged, so there is none to leave out
        assert torch.equal(EvaluationTransform(size, [0, 0, 0], [1, 1, 1], CPU, crop=True)(images), plain / 255)


@pytest.mark.parametrize("crop", [False, True])
def test_training_sees_what_evaluation_sees(crop):
    images = noise(2, 64, 64, 3)
    arithmetic = Arithmetic(CPU, channels_last=True)
    scale = {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]}
    training, evaluation = (transform(images) for transform in Transforms.to_input(32, scale, arithmetic, crop))
    assert training.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(training, evaluation)
    assert torch.equal(EvaluationTransform(32, scale["mean"], scale["std"], CPU, crop=crop)(images), evaluation)
