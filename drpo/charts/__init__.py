"""Tables to plotly figures; one module a screen's charts, `figures` what they share."""
