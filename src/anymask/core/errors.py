"""The errors a caller can meet; each also is the fitting builtin, so `except ValueError` works."""


class AnymaskError(Exception):
    """The root of all errors raised on purpose: what must hold, what was got, what to do."""


class InvalidInputError(AnymaskError, ValueError):
    """A value given by the caller cannot be used (a point outside the image, a swapped box)."""


class UnknownNameError(AnymaskError, LookupError):
    """A name that is not in a fixed list; the text lists the known ones."""

    def __init__(self, kind: str, name: object, known: "list[str] | tuple[str, ...]") -> None:
        super().__init__(f"unknown {kind} {name!r}. Known: {', '.join(sorted(known))}.")


class ImageReadError(AnymaskError, OSError):
    """A file is not an image that can be read in full."""


class CheckpointError(AnymaskError, ValueError):
    """A file is not a checkpoint, is damaged, or does not fit the model."""


class ExportError(AnymaskError, ValueError):
    """An exported file answers otherwise than the model that it was made from."""


class DownloadError(AnymaskError, OSError):
    """A file could not be fetched whole, or what came is not what was promised."""


class OutputError(AnymaskError, OSError):
    """A result could not be written (read-only folder, full disk)."""


class ProcessError(AnymaskError, ChildProcessError):
    """A process that worked for this one was ended from outside (memory ran out, a kill)."""


class MissingExtraError(AnymaskError, ImportError):
    """An optional dependency is not installed; the text names the pip line."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed. Run: pip install 'anymask[{extra}]'")


class NotFoundError(AnymaskError, LookupError):
    """What is asked for does not exist, or not for the one who asks."""


class AccessError(AnymaskError, PermissionError):
    """Whoever asks is not known, or may not do this."""


class ConflictError(AnymaskError, RuntimeError):
    """The request was made for a state that has changed since; `field` names what has."""

    def __init__(self, text: str, field: str) -> None:
        super().__init__(text)
        self.field = field
