"""A bill of materials in CycloneDX's JSON: every package that is installed here, and every model file, with hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING

from agent.errors import ConfigError
from agent.supply.locked import locked, normalised

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

    from agent.settings import Settings

HINT = "Install it: pip install 'palate[sbom]'"


def bill_of_materials(settings: Settings) -> str:
    """The bill as JSON text. Packages bear the hash of their own record of files, models that of the file.

    A model file is hashed anew, so that the bill tells what lies here. Raises ConfigError where the library that writes
    it is not installed, ModelUnavailable for a model file that cannot be read.
    """
    try:
        from cyclonedx.model.bom import Bom
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError as error:
        raise ConfigError("a bill of materials needs cyclonedx-python-lib", HINT) from error
    parts = [*_packages(), *_models(settings)]
    whole, ours = Bom(components=parts), _palate()
    whole.metadata.component = ours
    whole.register_dependency(ours, parts)
    return str(JsonV1Dot6(whole).output_as_string(indent=2))


def _palate() -> Component:
    from cyclonedx.model.component import Component, ComponentType

    version = next((d.version for d in metadata.distributions(name="palate")), "")
    return Component(name="palate", version=version, type=ComponentType.APPLICATION, bom_ref="palate")


def _packages() -> Iterator[Component]:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    pins = locked()
    found = {normalised(d.name): d for d in metadata.distributions() if d.name}
    for name, distribution in sorted(found.items()):
        if name == "palate":
            continue
        record = (distribution.read_text("RECORD") or "").encode()
        known = "not in the lock" if name not in pins else str(distribution.version in pins[name]).lower()
        yield Component(
            name=name,
            version=distribution.version,
            type=ComponentType.LIBRARY,
            bom_ref=f"pypi:{name}",
            purl=PackageURL("pypi", name=name, version=distribution.version),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(record).hexdigest())] if record else [],
            properties=[Property(name="palate:hash-of", value="RECORD"), Property(name="palate:locked", value=known)],
        )


def _models(settings: Settings) -> Iterator[Component]:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType

    from agent.llm.files.fetch import sha256_of
    from agent.llm.registry import known

    for card in known(settings):
        if card.installed is None:
            continue
        digest = sha256_of(card.installed)
        right = "true" if digest == card.sha256 else "false"
        yield Component(
            name=card.reference,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=f"model:{card.reference}",
            description=f"{card.about}; {card.license}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            properties=[
                Property(name="palate:file", value=card.installed.name),
                Property(name="palate:license", value=card.license),
                Property(name="palate:hash-as-published", value=right),
            ],
        )
