"""The installed package, for an interpreter that lacks it: this folder can stand on its
sys.path, which all that is installed beside the package must not.
"""

import os
import sys
from importlib.machinery import PathFinder


def _become_the_package():
    # SITE/pyprofiler/_lib/python/pyprofiler/__init__.py
    site = os.path.abspath(os.path.join(__file__, *[os.pardir] * 5))
    spec = PathFinder.find_spec(__name__, [site])
    module = sys.modules[__name__]
    module.__spec__ = spec
    module.__loader__ = spec.loader
    module.__file__ = spec.origin
    module.__path__ = spec.submodule_search_locations
    spec.loader.exec_module(module)


_become_the_package()
