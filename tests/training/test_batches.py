import numpy
import pytest
import torch
from PIL import Image

from triptych.training.batches import InputTransform, batches_of, epoch_order

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
    pixels = InputTransform(size, [0, 0, 0], [1, 1, 1], CPU)(torch.from_numpy(images))
    assert pixels.shape == (3, 3, size, size)
    assert pixels.dtype == torch.float32
    bilinear = Image.Resampling.BILINEAR
    expected = numpy.stack([numpy.asarray(Image.fromarray(image).resize((size, size), bilinear)) for image in images])
    difference = pixels.permute(0, 2, 3, 1).numpy() * 255 - expected
    # Pillow rounds to grey levels twice, once for each direction
    assert numpy.abs(difference).max() < 1 + 1e-4


def test_normalisation_is_by_channel():
    images = torch.full((1, 4, 4, 3), 255, dtype=torch.uint8)
    pixels = InputTransform(4, [0.5, 0.0, 1.0], [0.5, 2.0, 1.0], CPU)(images)
    assert pixels[0, :, 0, 0].tolist() == [1.0, 0.5, 0.0]
