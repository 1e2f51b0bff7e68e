"""The settings themselves: each section, what a value may be, and what it is by default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from agent.language import Language
from agent.observe.sections import LogSettings, OtelSettings
from agent.people.platforms import Platforms
from agent.privacy.sections import PrivacySettings
from agent.setting_values import (
    Folder,
    MostPer,
    Seconds,
    Section,
    Sha256,
    Share,
    SourceWeights,
    Strategy,
    WebAddress,
    Word,
    Words,
)

DEFAULT_MODEL = "smollm2-135m"
SPEAKERS: dict[Language, str] = {"en": DEFAULT_MODEL, "zh": "qwen2.5-coder-0.5b"}  # where no model is named


class ModelSettings(Section):
    """The language model. `reference` is a known name, a .gguf file, `hf:org/repo:file-or-quant` or `openai:MODEL`."""

    reference: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_096)] = DEFAULT_MODEL
    sha256: Sha256 | None = Field(default=None, description="the hash that the file of `reference` must have")
    n_gpu_layers: int = Field(default=-1, ge=-1, description="layers to put on a GPU; -1 is all of them")
    split_mode: Literal["none", "layer", "row"] = Field(default="layer", description="how several GPUs share the model")
    main_gpu: int = Field(default=0, ge=0, le=63, description="the GPU that holds it all with split_mode = 'none'")
    context_tokens: int = Field(
        default=4096, ge=256, le=1_048_576, description="the longest prompt and what follows it"
    )
    prefix_cache_mb: int = Field(
        default=128, ge=0, le=1_048_576, description="memory for prompts read before, so that they are not read again"
    )
    cache_type: Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"] = Field(
        default="f16", description="what keys and values are kept as; quantised ones need flash attention"
    )
    ubatch_tokens: int | None = Field(
        default=None, ge=32, le=16_384, description="tokens that go through the layers at once; 512, on a GPU 2048"
    )
    flash_attention: Literal["auto", "on", "off"] = "auto"
    threads: int | None = Field(default=None, ge=1, le=512, description="by default the cores this process may use")
    requantise: Literal["auto", "off", "q4_0", "q8_0"] = Field(
        default="auto",
        description="use a variant of the file; auto: without a GPU, q4_0, which is faster",
    )
    timeout_s: Seconds = Field(default=30, description="what one request may take in all")


class EndpointSettings(Section):
    """An OpenAI-compatible server, for `openai:MODEL`. A server on this machine needs no key."""

    base_url: WebAddress | None = None
    api_key: SecretStr | None = None
    timeout_s: Seconds = 20
    retries: int = Field(default=1, ge=0, le=10)
    concurrency: int = Field(default=4, ge=1, le=256, description="how many requests may be under way at once")
    breaker_failures: int = Field(
        default=5, ge=0, le=1_000, description="after so many calls that failed in a row it is left alone; 0: never"
    )
    breaker_probe_s: Seconds = Field(default=5, description="then one call in so many seconds tries it again")


class ChromaSettings(Section):
    """A Chroma server; with no `host` the index lives in the data folder."""

    host: Word | None = None
    port: int = Field(default=8000, ge=1, le=65_535)
    ssl: bool = False
    api_key: SecretStr | None = None
    tenant: Word = "default_tenant"
    database: Word = "default_database"


class RecallSettings(Section):
    """How candidates are found."""

    n_candidates: int = Field(default=30, ge=1, le=1_000, description="how many are put in order by the model")
    per_query: int = Field(default=100, ge=1, le=10_000, description="how many each query fetches")
    where_pushdown_max_rows: int = Field(
        default=2_000, ge=0, description="a filter that leaves at most so many rows is applied inside the index"
    )
    weights: SourceWeights = Field(
        default={}, description="what a source weighs in the fusion, in place of its shipped weight; 0: not asked"
    )
    beside_wish: float = Field(
        default=0.25, ge=0, le=1, description="what behaviour weighs beside a stated wish, of its weight without one"
    )
    generated: int = Field(
        default=0, ge=0, le=16, description="descriptions of what a person would love that the model writes as queries"
    )
    generated_weight: float = Field(default=0.5, gt=0, le=10, description="what each of them weighs in the fusion")
    generated_timeout_s: Seconds = Field(default=5, description="what writing them may take; late ones are left out")


class LearnSettings(Section):
    """What is learned from everyone's behaviour, and when it is due again."""

    every_events: int = Field(default=1_000, ge=1, description="it is due when so many events came or went since")
    neighbours: int = Field(default=500, ge=1, le=100_000, description="how many items are kept beside each, at least")
    factors: int = Field(
        default=32, ge=0, le=1_024, description="how long the vector of an item is; 0: none are fitted"
    )
    regularisation: float = Field(default=1.0, ge=0, description="how strongly factors are pulled to 0")
    alpha: float = Field(default=5.0, gt=0, description="the confidence in an act, against 1 in its absence")


class ProfileSettings(Section):
    """How events become a taste: the session now under way, and everything before."""

    half_life_days: float = Field(default=30, gt=0, le=36_500, description="the age at which a like weighs half")
    session_gap_minutes: float = Field(default=30, gt=0, le=1_440, description="a pause that ends a session")
    session_weight: float = Field(default=0.5, ge=0, le=1, description="what a long session weighs beside all likes")
    centres: int = Field(default=1, ge=1, le=20, description="how many tastes likes may fall into; 1: never split")


class InterestSettings(Section):
    """How interests in tags are read off what a person wrote, and off items that bear no tags (docs/interests.md)."""

    texts: Literal["named", "model"] = Field(default="named", description="the tags a text names, or the model's view")
    items: Literal["tags", "model"] = Field(default="tags", description="an item's own tags, or the model's for none")


class RerankSettings(Section):
    """How candidates are put in order."""

    strategy: Strategy = Field(default="auto", description="a name, a sum such as 0.7*a+b, or b on the best of a: a>b")
    weights: Folder | None = Field(default=None, description="a weights file in place of the shipped one")


class SlateSettings(Section):
    """What a slate heeds besides scores: each knob from 0, where it does nothing, to 1 (docs/slates.md)."""

    calibration: Share = Field(default=0, description="how closely tags follow the person's interests")
    diversity: Share = Field(default=0, description="how far places lie from those above them")
    novelty: Share = Field(default=0, description="how much little-known items gain")
    exploration: Share = Field(default=0, description="how far a draw from uncertain interests moves scores")
    seed: int = Field(default=0, description="of those draws; each is another one after every act of the person")
    max_per: MostPer = Field(default={}, description="most places for each value of a field, or for a test's items")


class ImageSettings(Section):
    """Whether and how pictures of items are looked at (docs/images.md)."""

    source: Literal["off", "openclip", "endpoint", "describe"] = Field(default="off", description="who looks at them")
    model: Word | None = Field(default=None, description="the model that embeds or describes pictures")
    checkpoint: Word = Field(default="laion2b_s34b_b79k", description="the weights of an OpenCLIP model")
    base_url: WebAddress | None = Field(default=None, description="by default that of the endpoint")
    api_key: SecretStr | None = None
    shape: Literal["input", "messages"] = Field(default="input", description="how an endpoint is given a picture")
    timeout_s: Seconds = Field(default=20, description="what looking at one may take")
    weight: float = Field(default=0.5, ge=0, le=10, description="what pictures of liked items weigh in the fusion")
    folder: Folder | None = Field(default=None, description="where the files lie; by default in the data folder")
    fetch: bool = Field(default=False, description="get pictures from the web, never from private addresses")
    fetch_timeout_s: Seconds = Field(default=5, description="what getting one may take")
    max_mb: float = Field(default=5, gt=0, le=100, description="larger ones are refused")


class ExplainSettings(Section):
    """How reasons are written."""

    writer: Literal["auto", "write", "compose"] = "auto"


class ServeSettings(Section):
    """The server (docs/server.md)."""

    host: Word = "127.0.0.1"
    port: int = Field(default=8710, ge=0, le=65_535, description="0: any that is free")
    llm: bool = Field(default=True, description="whether the language model takes part")
    user: Word = Field(default="me", description="who speaks where a chat client names nobody")
    queue: int = Field(default=16, ge=1, le=10_000, description="how many answers may wait for the model")
    timeout_s: Seconds = Field(default=30, description="the most that an answer may take, waiting included")
    max_body_mb: float = Field(default=1, gt=0, le=100, description="larger requests are refused")
    hosts: Words = Field(default=(), description="names of the server, besides this machine's own")
    cors: Words = Field(default=(), description="other sites whose scripts may ask, such as https://example.org")


class ConverseSettings(Section):
    """How messages are understood (docs/understanding.md), and whether anything is asked back."""

    examples: Folder | None = Field(default=None, description="a folder of further examples of what messages mean")
    asks: bool = Field(default=True, description="whether a question follows a slate where its answer pays")


class Settings(Section):
    """All settings. `noun` is what prompts call the items, such as films, games or books.

    Where no language is named, reasons are in that of the wish. Where no model is named, it is the default one of the
    language.
    """

    folder: Folder = Path("data")
    cache_folder: Folder = Path("~/.cache/palate")
    database: SecretStr | None = Field(
        default=None,
        description="a SQLAlchemy URL in place of palate.sqlite in the folder, such as postgresql+psycopg://",
    )
    encryption_key: SecretStr | None = Field(
        default=None, description="what people do and say is kept unreadable without it (docs/privacy.md)"
    )
    language: Language = Field(default="en", description="where none is named, reasons are in that of the wish")
    noun: Annotated[Word, StringConstraints(max_length=40)] = "titles"
    prompts: Folder | None = Field(default=None, description="a folder of prompts in place of those of the same name")
    model: ModelSettings = ModelSettings()
    endpoint: EndpointSettings = EndpointSettings()
    chroma: ChromaSettings = ChromaSettings()
    profile: ProfileSettings = ProfileSettings()
    interests: InterestSettings = InterestSettings()
    platforms: Platforms = Field(default={}, description="by name: weight, kinds and transfer of its events")
    recall: RecallSettings = RecallSettings()
    learn: LearnSettings = LearnSettings()
    rerank: RerankSettings = RerankSettings()
    slate: SlateSettings = SlateSettings()
    images: ImageSettings = ImageSettings()
    explain: ExplainSettings = ExplainSettings()
    converse: ConverseSettings = ConverseSettings()
    serve: ServeSettings = ServeSettings()
    privacy: PrivacySettings = PrivacySettings()
    log: LogSettings = LogSettings()
    otel: OtelSettings = OtelSettings()

    @property
    def names_model(self) -> bool:
        """Whether a model was named, or the hash of one; else `model.reference` is the default of the language."""
        return bool(self.model.model_fields_set & {"reference", "sha256"})

    @property
    def names_language(self) -> bool:
        """Whether a language was named."""
        return "language" in self.model_fields_set

    def speaking(self, language: Language) -> Settings:
        """The same settings with this language named."""
        return Settings.model_validate({**dict(self), "language": language})

    @model_validator(mode="after")
    def _with_its_speaker(self) -> Self:
        if not self.names_model and self.model.reference != SPEAKERS[self.language]:
            values = {**dict(self.model), "reference": SPEAKERS[self.language]}
            model = ModelSettings.model_construct(_fields_set=self.model.model_fields_set, **values)
            object.__setattr__(self, "model", model)  # the class is frozen for everyone else
        return self
