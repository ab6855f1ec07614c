"""The participant level's part of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from predann_bids.config.fields import ADDED, BINDING, Section, option


class Preprocessing(Section):
    """From a raw recording to its derivative; the participant level."""

    l_freq: float = Field(
        1.0,
        ge=0,
        description="Lower edge of the band-pass in Hz; 0 leaves it open.",
        json_schema_extra=option("--l-freq") | BINDING,
    )
    h_freq: float = Field(
        40.0,
        ge=0,
        description="Upper edge of the band-pass in Hz; 0 leaves it open.",
        json_schema_extra=option("--h-freq") | BINDING,
    )
    notch: Literal["auto", "none"] | Annotated[float, Field(gt=0)] = Field(
        "auto",
        description="Line frequency in Hz to remove with its harmonics, 'auto' for the sidecar's"
        " PowerLineFrequency, or 'none'.",
        json_schema_extra=option("--notch") | BINDING,
    )
    line_noise: Literal["notch", "zapline"] = Field(
        "notch",
        description="How line noise is removed: FIR notch filters, or 'zapline' (de Cheveigné 2020), which spares the"
        " spectrum around.",
        json_schema_extra=option("--line-noise"),
    )
    resample: float = Field(
        125.0,
        gt=0,
        description="Sampling rate of the derivative in Hz.",
        json_schema_extra=option("--resample") | BINDING,
    )
    resampling: Literal["polyphase", "fourier"] = Field(
        "polyphase",
        description="How the sampling rate is changed: 'polyphase', or 'fourier' by cutting the spectrum of the whole"
        " recording, as published.",
    )
    reference: str = Field(
        "average",
        min_length=1,
        description="Reference of the derivative: 'average', 'mastoids', 'rest' (REST, Yao 2001), names of channels"
        " joined by commas, or 'none' to keep that of the recording.",
        json_schema_extra=option("--reference") | BINDING,
    )
    bad_channels: Literal["none", "auto"] = Field(
        "none",
        description="'auto' looks for bad channels as the PREP pipeline does; flat channels and those that channels.tsv"
        " marks as bad are taken as bad in any case.",
        json_schema_extra=option("--bad-channels"),
    )
    bad_channels_correlation: float = Field(
        0.4, gt=0, lt=1, description="A channel is bad when it correlates less than this with all others, too often."
    )
    bad_channels_deviation: float = Field(
        5.0, gt=0, description="A channel is bad when its amplitude deviates by more than this robust z-score."
    )
    bad_channels_hf_noise: float = Field(
        5.0, gt=0, description="A channel is bad when its share of noise above 50 Hz exceeds this robust z-score."
    )
    bad_channels_ransac: bool = Field(
        True, description="Also take as bad what other channels cannot predict (RANSAC); slow with many channels."
    )
    interpolation: Literal["spline", "none"] = Field(
        "spline", description="Whether bad channels are interpolated (spherical splines) or stay, marked as bad."
    )
    ica: Literal["none", "auto"] = Field(
        "none",
        description="'auto' removes independent components that ICLabel takes for artefacts.",
        json_schema_extra=option("--ica"),
    )
    ica_reject: tuple[Literal["eye", "muscle", "heart", "channel"], ...] = Field(
        ("eye", "muscle", "heart", "channel"), min_length=1, description="Kinds of components to remove."
    )
    ica_threshold: float = Field(
        0.8, gt=0, lt=1, description="Probability that ICLabel must give to a kind for a component to be removed."
    )
    bad_spans: Literal["exclude", "keep"] = Field(
        "exclude",
        description="Whether windows that touch what annotations call BAD_... or boundary are kept out of training and"
        " testing.",
    )
    shortest: float = Field(
        3.0,
        gt=0,
        description="Presentations shorter than this, in seconds, are of no use and are left out.",
    )
    further: tuple[str, ...] = Field(
        (), json_schema_extra=ADDED, description="Steps of plugins to apply as well, by name."
    )

    @model_validator(mode="after")
    def _band_fits_the_rate(self) -> Self:
        if self.h_freq and self.h_freq <= self.l_freq:
            raise ValueError(f"h_freq ({self.h_freq:g} Hz) must lie above l_freq ({self.l_freq:g} Hz)")
        if self.h_freq and self.h_freq >= self.resample / 2:
            raise ValueError(
                f"h_freq ({self.h_freq:g} Hz) must lie below half the sampling rate ({self.resample / 2:g} Hz)"
            )
        return self
