"""One module a source of images: the keys that it has under `dataset`, and what is known before an image is read."""
