"""Sessions, timetables and what drivers say: import, assumptions, learning. Pure; files are opened by adapters."""
