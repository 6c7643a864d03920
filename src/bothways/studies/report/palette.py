"""Colours: one per strategy in every figure, told apart also without red–green vision, for light and dark paper.

Figures are built with placeholder colours; the page replaces each by its value in the reader's theme, so that the
same figure serves screen, dark screen and print. Hues after Okabe & Ito (2008), "Color Universal Design",
jfly.uni-koeln.de/color.
"""

from __future__ import annotations

from types import MappingProxyType

_THEMES: dict[str, tuple[str, str]] = {  # name: (light, dark)
    "ink": ("#1b1f24", "#e8e6e1"),
    "muted": ("#5b636d", "#a3a9b1"),
    "faint": ("#c3c8ce", "#4a515a"),
    "grid": ("#e6e8ea", "#2c3138"),
    "paper": ("#ffffff", "#15181c"),
    "uncontrolled": ("#6d747d", "#a9b0b8"),
    "smart": ("#0072b2", "#56b4e9"),
    "bidirectional": ("#d55e00", "#f5924e"),
    "uncontrolled-tint": ("rgba(109,116,125,0.16)", "rgba(169,176,184,0.18)"),
    "smart-tint": ("rgba(0,114,178,0.15)", "rgba(86,180,233,0.18)"),
    "bidirectional-tint": ("rgba(213,94,0,0.15)", "rgba(245,146,78,0.18)"),
    "load": ("#9aa1a9", "#7b838c"),
    "load-tint": ("rgba(120,128,138,0.13)", "rgba(160,168,178,0.13)"),
    "limit": ("#aa3377", "#ee99c9"),
    "price": ("#1b1f24", "#e8e6e1"),
    "export": ("#8a6d00", "#e6c229"),
    "carbon": ("#00795a", "#35c79b"),
    "less": ("#00795a", "#35c79b"),
    "more": ("#7c1458", "#ee99c9"),
    "low": ("#8cb4cf", "#3f6f8f"),
    "high": ("#2b5876", "#a9d3ee"),
    "band": ("rgba(27,31,36,0.035)", "rgba(232,230,225,0.045)"),
    "soc0": ("#edf2f5", "#20303b"),
    "soc1": ("#c2d7e2", "#275064"),
    "soc2": ("#86b2c8", "#2f7791"),
    "soc3": ("#3f83a6", "#58a6bd"),
    "soc4": ("#0c4a6e", "#c9ecf2"),
}

_PLACEHOLDERS = {name: f"#fe{index:02x}01" for index, name in enumerate(_THEMES)}

LIGHT = MappingProxyType({name: values[0] for name, values in _THEMES.items()})
DARK = MappingProxyType({name: values[1] for name, values in _THEMES.items()})


def colour(name: str) -> str:
    """The placeholder of a named colour, a value that every part of a figure accepts.

    >>> colour("ink")
    '#fe0001'
    """
    return _PLACEHOLDERS[name]


def name_of(placeholder: str) -> str:
    """The colour's name behind a placeholder; ``ink`` for anything else.

    >>> name_of(colour("smart"))
    'smart'
    """
    return next((name for name, value in _PLACEHOLDERS.items() if value == placeholder), "ink")


def tint(strategy: str) -> str:
    """The placeholder of a strategy's transparent fill."""
    return _PLACEHOLDERS[f"{strategy}-tint"]


def mark(figure_json: str) -> str:
    """Turns placeholders into names between ``@`` that the page looks up in the theme."""
    for name, value in _PLACEHOLDERS.items():
        figure_json = figure_json.replace(f'"{value}"', f'"@{name}@"')
    return figure_json


def soc_scale() -> list[list[float | str]]:
    """Colour scale of stored energy from empty to full."""
    return [[share, colour(f"soc{step}")] for step, share in enumerate((0.0, 0.25, 0.5, 0.75, 1.0))]
