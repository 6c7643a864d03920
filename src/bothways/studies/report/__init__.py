"""The study's answer on paper: one HTML file, tables for other programs, a few lines for the terminal."""
