"""What pyproject.toml cannot say: the wheel holds `probes` and `exporter` below `mailcanary/_lib`.

`docs/design.md` says why. An editable install leaves them where they are.
"""

from setuptools import find_packages, setup
from setuptools.command.editable_wheel import editable_wheel

OWN = ("probes", "exporter")
PACKAGES = find_packages(include=[pattern for name in OWN for pattern in (name, f"{name}.*")])
PRIVATE = "mailcanary._lib"


class InPlace(editable_wheel):
    """An editable install, which finds the packages in the checkout."""

    def run(self) -> None:
        self.distribution.packages = ["mailcanary", *PACKAGES]
        self.distribution.package_dir = {}
        super().run()


setup(
    packages=["mailcanary", *(f"{PRIVATE}.{name}" for name in PACKAGES)],
    package_dir={f"{PRIVATE}.{name}": name for name in OWN},
    cmdclass={"editable_wheel": InPlace},
)
