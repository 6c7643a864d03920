"""Figures of the report: each module builds plotly figures with a title, a summary in words and a note."""
