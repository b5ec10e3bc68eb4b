"""One module a source of images, each as `triptych.data.source.Source` says."""
