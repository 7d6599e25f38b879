"""Run a module as on a machine that has a few packages and what they need, and nothing else."""

import importlib.metadata as metadata
import re
import runpy
import sys
from importlib.machinery import PathFinder

from packaging.requirements import Requirement


class Bare:
    """Finds what lies on the path, but none of some packages."""

    def __init__(self, names, there):
        self.names, self.there = names, there

    def find_spec(self, name, path=None, target=None):
        absent = name.partition(".")[0] in self.names
        return None if absent else PathFinder.find_spec(name, path, target)

    def find_distributions(self, context):
        for found in PathFinder.find_distributions(context):
            if context.name is None or normalised(context.name) in self.there:
                yield found


def needed_by(packages):
    """Distributions that `packages` bring, themselves included, by normalised name."""
    found, wanted = set(), list(packages)
    while wanted:
        name = normalised(wanted.pop())
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            marked = [(r.name, r.marker) for r in map(Requirement, requires)]
            wanted += [n for n, marker in marked if not marker or marker.evaluate({"extra": ""})]
    return found


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    packages, module, *arguments = sys.argv[1:]
    there = needed_by(packages.split(","))
    others = {
        name
        for name, owners in metadata.packages_distributions().items()
        if not there & set(map(normalised, owners)) and name not in {"kinoloop", "benchmarks"}
    }
    for name in [n for n in sys.modules if n.partition(".")[0] in others]:
        del sys.modules[name]
    sys.meta_path[sys.meta_path.index(PathFinder)] = Bare(others, there)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")
