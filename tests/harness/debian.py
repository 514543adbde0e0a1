"""What Debian's packages bring for Python."""

import importlib
import sys

PACKAGES = "/usr/lib/python3/dist-packages"


def module_of_debian(name):
    """The module, also where another Python than Debian's runs this, to which a pure one is the same; None if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        sys.path.append(PACKAGES)
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
