"""Libraries of networks, one module each, with the interface `triptych.models.backbone.Library`."""
