"""What can go wrong, as a tree. Every message says what happened and what to do about it.

IncognitoError            the base; the command line prints its message and exits with its code
├── UsageError            the request cannot be met as asked (exit code 2)
│   ├── UnknownModelError       no shipped model has that name, and no file is there
│   ├── UnknownBackgroundError  a background that is neither a keyword, a colour nor a file
│   └── OutputError             an output that exists, cannot be written or cannot hold the result
├── InputError            a picture or video that cannot be read (exit code 1)
│   └── CameraError             a camera, file or stream that gives no frames, or not any more
├── SinkError             a window, virtual camera or page that cannot be opened or written to (exit code 1)
├── ModelError            a model, card or checksum that cannot be trusted (exit code 1)
└── LabError              a recipe, data set or checkpoint that cannot be used (exit code 1)
"""


class IncognitoError(Exception):
    """The base of every error that Incognito raises on purpose."""

    exit_code = 1


class UsageError(IncognitoError):
    """The request cannot be met as asked."""

    exit_code = 2


class UnknownModelError(UsageError):
    """No shipped model has that name, and no file is there."""


class UnknownBackgroundError(UsageError):
    """A background that is neither a keyword, a colour nor a file."""


class OutputError(UsageError):
    """An output that exists, cannot be written or cannot hold the result."""


class InputError(IncognitoError):
    """A picture or video that cannot be read."""


class CameraError(InputError):
    """A camera, file or stream that gives no frames, or not any more."""


class SinkError(IncognitoError):
    """A window, virtual camera, page or file that cannot be opened or written to."""


class ModelError(IncognitoError):
    """A model, a card or a checksum that cannot be trusted."""


class LabError(IncognitoError):
    """A recipe, a data set or a checkpoint that cannot be used."""


def first_line(error: Exception) -> str:
    """What another library's error says, cut to one line; its name where it says nothing."""
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0][:160] if text else type(error).__name__
