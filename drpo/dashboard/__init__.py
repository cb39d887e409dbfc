"""What the screen needs: tables, figures, forms and words. No torch in this process."""

from drpo.i18n import Language, ask_visitor_by


def _visitors_language() -> Language | None:
    # Streamlit is imported where somebody asks for a visitor: a report is built without one.
    from drpo.dashboard.state.language import visitors_language

    return visitors_language()


ask_visitor_by(_visitors_language)
