"""One module a library of networks, each as `triptych.models.backbone.Library` says."""
