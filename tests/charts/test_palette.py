"""Text in the colour of a meaning can be read in both themes."""

import pytest

from drpo.charts import palette


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("meaning", ["learned", "gold", "reset", "start", "kl", "alarm"])
def test_text_in_a_meaning_passes_wcag_aa(theme, meaning):
    colours = palette.COLOURS[theme]
    assert contrast(colours[f"{meaning}-ink"], colours["paper"]) >= 4.5
    assert contrast(colours["muted"], colours["paper"]) >= 4.5


def contrast(one, other):
    """Relative luminance ratio of WCAG 2.1."""

    def luminance(code):
        parts = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
