"""The name of an architecture: a bare one is torchvision's, `LIBRARY/NAME` is another library's."""

DEFAULT_LIBRARY = "torchvision"


def library_and_name(architecture: str) -> tuple[str, str]:
    """Return the library of an architecture and the name that it has there."""
    library, slash, name = architecture.partition("/")
    return (library, name) if slash else (DEFAULT_LIBRARY, architecture)


def architecture_of(library: str, name: str) -> str:
    """Return what the configuration calls the network `name` of a library."""
    return name if library == DEFAULT_LIBRARY else f"{library}/{name}"
