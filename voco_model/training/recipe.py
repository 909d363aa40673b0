"""A recipe: everything that decides what a training run does, frozen and checked before the first step."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voco_model.config import MAX_VOCO_TOKENS

Stage = Literal["align", "instruct", "continue_video"]
Variant = Literal["voco", "avgpool", "qformer", "upper"]
Part = Literal["tower", "projector", "voco", "compressor", "language"]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
From0 = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Frozen, and unknown keys are refused. The text below a field is its help."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class Start(Settings):
    """Where the weights come from: a checkpoint, two base models, or a preset with random weights."""

    checkpoint: Path | None = None
    """A VoCo model's folder: what the stage before left, or an imported one."""
    vision: Path | None = None
    """A vision tower's folder, with its image processor."""
    language: Path | None = None
    """A language model's folder, with its tokenizer."""
    preset: str | None = None
    """A preset's shape with random weights and the byte tokenizer: to measure speed, not to learn."""
    n_voco: Annotated[int, Field(ge=1, le=MAX_VOCO_TOKENS)] | None = None
    """VoCo tokens per image or frame; None keeps the checkpoint's, or 1."""
    options: dict[str, Any] = {}
    """Further keys of the model's configuration, such as `positions` or `voco_embedding`."""
    template: str | None = None
    """How conversations are written; None keeps the checkpoint's, or "voco"."""

    @model_validator(mode="after")
    def _one_source(self) -> "Start":
        bases = self.vision is not None, self.language is not None
        if bases[0] != bases[1]:
            raise ValueError("vision and language belong together; give both or a checkpoint")
        if sum([self.checkpoint is not None, all(bases), self.preset is not None]) != 1:
            raise ValueError("give one of checkpoint, preset, or vision with language")
        return self


class Data(Settings):
    """What is read, and how it is cut into batches."""

    folders: tuple[Path, ...]
    """Ingested data sets; several are mixed in proportion to their sizes."""
    split: str | None = None
    """Which of their records; None takes all."""
    validation: str | None = None
    """The split whose loss is measured at every checkpoint and decides which is best; None: training loss."""
    batch_size: Count
    """Groups (an image, video or text with its questions) in one optimiser step, over all devices."""
    micro_batch: Count | None = None
    """Groups that a device takes at once; None takes its whole share. The rest is accumulated."""
    questions_per_image: Count = 1
    """The most records of one image that share its compression."""
    fps: Above0 | None = None
    """Frames taken from a second of video; or give `n_frames`."""
    n_frames: Count | None = None
    """Frames taken from every video, evenly."""
    max_length: Count | None = None
    """Positions of a row; a longer one loses its end. None: the model's window."""
    workers: Annotated[int, Field(ge=0)] = 2
    """Processes of each rank that read, decode and resize."""
    max_failed: Share = 0.01
    """The share of records that may turn out to be unreadable in an epoch."""

    @model_validator(mode="after")
    def _frames_one_way(self) -> "Data":
        if self.fps is not None and self.n_frames is not None:
            raise ValueError("frames are taken by fps or by n_frames; give one of the two")
        if not self.folders:
            raise ValueError("folders is empty; name at least one ingested data set")
        return self


class Optimiser(Settings):
    """AdamW or Muon with a warm-up and a schedule; each part may have its own rate."""

    kind: Literal["adamw", "muon"] = "adamw"
    """`muon` moves the matrices of the decoder's layers by their orthogonalised momentum; not with ZeRO."""
    lr: Above0
    """The highest learning rate."""
    lr_of: dict[Part, Above0] = {}
    """Other rates for single parts."""
    weight_decay: From0 = 0.0
    """Of matrices only: norms, biases and embeddings are never decayed."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Of Adam's two averages."""
    eps: Above0 = 1e-8
    """Of Adam's division."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the rate falls after the warm-up."""
    warmup: Share = 0.03
    """The share of all steps in which the rate rises."""
    max_grad_norm: From0 = 1.0
    """Gradients are scaled down to this norm; 0 leaves them."""


class Distillation(Settings):
    """KL to the same model reading the uncompressed vision tokens (the paper's equations 1 and 5)."""

    weight: From0 = 0.0
    """λ at the end of its schedule; 0 switches the teacher off."""
    schedule: Literal["constant", "rising", "falling"] = "constant"
    """λ over the run: as it is, from 0 linearly, or to 0 linearly."""
    temperature: Above0 = 1.0
    """Both distributions are softened by it; the loss is scaled by its square."""
    teacher: Path | None = None
    """Another checkpoint as teacher; None is the model itself, read causally, without gradient."""


class Objective(Settings):
    """What is minimised: cross-entropy on answers, and what goes with it."""

    distillation: Distillation = Distillation()
    """A second loss."""
    elastic: dict[Count, Above0] = {}
    """Numbers of VoCo tokens to weights: each batch draws one. Empty: always `n_voco`."""
    frames_at_once: Count | None = None
    """Images or frames whose activations are kept at once; the others' are computed again. None keeps all."""
    stop_gradient: bool = False
    """Whether caches are constants to the loss: then nothing before them is trained."""


class Device(Settings):
    """On what it runs."""

    gpu: str | None = None
    """The GPU that the memory need is checked against, such as "H100-80GB"; None runs on the CPU if need be."""
    gpus_per_node: Count = 1
    """Processes of a node."""
    nodes: Count = 1
    """Machines."""
    precision: Literal["float32", "bf16"] = "float32"
    """Of the computation; with bf16, masters and moments stay in float32."""
    gradient_checkpointing: bool = False
    """Layers' activations are computed again in the backward pass."""
    zero: Literal[0, 1, 2, 3] = 0
    """DeepSpeed's ZeRO stage; 0 is without DeepSpeed."""
    offload: Literal["none", "optimiser", "all"] = "none"
    """What ZeRO keeps in the host's memory: nothing, the optimiser, or (stage 3) parameters too."""

    @model_validator(mode="after")
    def _offload_needs_zero(self) -> "Device":
        if self.offload != "none" and self.zero == 0:
            raise ValueError("offload needs ZeRO; set zero to 2 or 3")
        if self.offload == "all" and self.zero != 3:
            raise ValueError("offload 'all' moves parameters, which only zero 3 partitions")
        return self

    @property
    def processes(self) -> int:
        """All ranks."""
        return self.gpus_per_node * self.nodes


class Saving(Settings):
    """Checkpoints and what is said on the way."""

    every: Count | None = None
    """Steps between checkpoints; None saves at the end alone."""
    keep: Count = 2
    """How many of the last are kept, beside the best."""
    report_every: Count = 10
    """Steps between two progress reports."""


class Guard(Settings):
    """What counts as a step gone wrong. Such a step is skipped, and counted."""

    spike: Above0 = 4.0
    """A loss above this many times the median of the last 50, and above those of the first steps, is a spike."""
    most: Annotated[int, Field(ge=0)] = 20
    """Skipped steps of a run; one more stops it, and the batches' record ids are kept."""


class Expected(Settings):
    """What is to come where it is not here yet: for `--check` on another machine. Training never reads it."""

    shape: str | None = None
    """The preset that has the start's shape."""
    groups: Count | None = None
    """Groups of an epoch."""
    text_length: Count | None = None
    """Tokens of a row without those of its pictures, on average."""
    frames: Count | None = None
    """Frames of a video, on average, where `data.fps` decides."""


class Recipe(Settings):
    """One stage of training."""

    stage: Stage
    """align: the projector, on captions, no VoCo tokens. instruct: the rule on. continue_video: frames."""
    variant: Variant = "voco"
    """What fills the VoCo places, or `upper`: trained and read causally, with the VoCo tokens in place."""
    out: Path
    """The folder of this run: model, checkpoints, log."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of everything drawn at random."""
    epochs: Above0 | None = None
    """Passes over the data; or give `steps`."""
    steps: Count | None = None
    """Optimiser steps."""
    trained: tuple[Part, ...] | None = None
    """Parts that learn; None is the stage's own choice."""
    language_layers: Count | None = None
    """Only the last so many decoder layers learn; None: all."""
    start: Start
    """Where the weights come from."""
    data: Data
    """What is read."""
    optimiser: Optimiser
    """How it learns."""
    objective: Objective = Objective()
    """What is minimised."""
    device: Device = Device()
    """On what it runs."""
    saving: Saving = Saving()
    """What is kept on the way."""
    guard: Guard = Guard()
    """What stops it."""
    expected: Expected = Expected()
    """What `--check` goes by where start or data are not here."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Recipe":
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("say how long: give epochs or steps, one of the two")
        if self.epochs is not None and not math.isfinite(self.epochs):
            raise ValueError(f"epochs is {self.epochs}; give a number")
        share, rest = divmod(self.data.batch_size, self.device.processes)
        if rest:
            raise ValueError(
                f"data.batch_size {self.data.batch_size} does not divide among {self.device.processes} processes;"
                f" give a multiple of {self.device.processes}"
            )
        if self.data.micro_batch is not None and share % self.data.micro_batch:
            raise ValueError(
                f"data.micro_batch {self.data.micro_batch} does not divide a process's share of {share};"
                " give one of its divisors"
            )
        if self.optimiser.kind == "muon" and self.device.zero:
            raise ValueError("optimiser.kind muon moves whole matrices, which ZeRO cuts up; set device.zero to 0")
        return self._stage_fits()

    def _stage_fits(self) -> "Recipe":
        compressed = self.stage != "align"
        if not compressed and (self.objective.elastic or self.objective.distillation.weight):
            raise ValueError("align has no VoCo tokens: objective.elastic and distillation belong to later stages")
        if self.stage == "continue_video" and self.data.fps is None and self.data.n_frames is None:
            raise ValueError("continue_video takes frames: give data.fps or data.n_frames")
        if self.variant != "voco" and (self.objective.distillation.weight or self.objective.elastic):
            raise ValueError(f"variant {self.variant} has no compression by the decoder to distil or to shorten")
        return self

    @property
    def accumulation(self) -> int:
        """Micro batches that a process takes for one optimiser step."""
        share = self.data.batch_size // self.device.processes
        return share // (self.data.micro_batch or share)
