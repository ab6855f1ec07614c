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
        description="Lower edge of the band-pass filter in Hz; 0 turns it off.",
        json_schema_extra=option("--l-freq") | BINDING,
    )
    h_freq: float = Field(
        40.0,
        ge=0,
        description="Upper edge of the band-pass filter in Hz; 0 turns it off.",
        json_schema_extra=option("--h-freq") | BINDING,
    )
    notch: Literal["auto", "none"] | Annotated[float, Field(gt=0)] = Field(
        "auto",
        description="Line frequency in Hz, removed with its harmonics; 'auto' takes PowerLineFrequency from the"
        " sidecar, 'none' removes nothing.",
        json_schema_extra=option("--notch") | BINDING,
    )
    line_noise: Literal["notch", "zapline"] = Field(
        "notch",
        description="How to remove line noise: 'notch' uses FIR notch filters; 'zapline' (de Cheveigné 2020) leaves"
        " neighbouring frequencies intact.",
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
        description="How to resample: 'polyphase', or 'fourier', which truncates the spectrum of the whole recording,"
        " as published.",
    )
    reference: str = Field(
        "average",
        min_length=1,
        description="Reference of the derivative: 'average', 'mastoids', 'rest' (REST, Yao 2001), channel names"
        " separated by commas, or 'none' to keep the recording's.",
        json_schema_extra=option("--reference") | BINDING,
    )
    bad_channels: Literal["none", "auto"] = Field(
        "none",
        description="'auto' detects bad channels as the PREP pipeline does. Flat channels, and those marked bad in"
        " channels.tsv, always count as bad.",
        json_schema_extra=option("--bad-channels"),
    )
    bad_channels_correlation: float = Field(
        0.4,
        gt=0,
        lt=1,
        description="A channel is bad if its correlation with all others is too often below this.",
    )
    bad_channels_deviation: float = Field(
        5.0, gt=0, description="A channel is bad if its amplitude deviates by more than this robust z-score."
    )
    bad_channels_hf_noise: float = Field(
        5.0, gt=0, description="A channel is bad if its share of noise above 50 Hz exceeds this robust z-score."
    )
    bad_channels_ransac: bool = Field(
        True,
        description="Whether channels that others cannot predict are bad as well (RANSAC); slow with many channels.",
    )
    interpolation: Literal["spline", "none"] = Field(
        "spline",
        description="'spline' interpolates bad channels with spherical splines; 'none' keeps them, marked as bad.",
    )
    ica: Literal["none", "auto"] = Field(
        "none",
        description="'auto' removes independent components that ICLabel classifies as artefacts.",
        json_schema_extra=option("--ica"),
    )
    ica_reject: tuple[Literal["eye", "muscle", "heart", "channel"], ...] = Field(
        ("eye", "muscle", "heart", "channel"), min_length=1, description="Kinds of components to remove."
    )
    ica_threshold: float = Field(
        0.8,
        gt=0,
        lt=1,
        description="Remove a component if ICLabel assigns it to one of these kinds with at least this probability.",
    )
    bad_spans: Literal["exclude", "keep"] = Field(
        "exclude",
        description="Whether windows that overlap spans annotated as BAD_... or boundary are excluded from training and"
        " testing.",
    )
    shortest: float = Field(
        3.0,
        gt=0,
        description="Presentations shorter than this, in seconds, are left out.",
    )
    further: tuple[str, ...] = Field((), json_schema_extra=ADDED, description="Names of plugin steps to apply as well.")

    @model_validator(mode="after")
    def _band_fits_the_rate(self) -> Self:
        if self.h_freq and self.h_freq <= self.l_freq:
            raise ValueError(f"h_freq ({self.h_freq:g} Hz) must lie above l_freq ({self.l_freq:g} Hz)")
        if self.h_freq and self.h_freq >= self.resample / 2:
            raise ValueError(
                f"h_freq ({self.h_freq:g} Hz) must lie below half the sampling rate ({self.resample / 2:g} Hz)"
            )
        return self
