"""Sources of images, one module each, with the interface `triptych.data.source.Source`."""
