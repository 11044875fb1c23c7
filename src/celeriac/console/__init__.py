"""Eyes: pages under `/console/` that use the JSON API like any other client. Speaks Flask.

1. `pages` serves one page for every address of the console, and the files in `static/`. Nothing of a job is in it.
2. `static/main.js` draws what the address names; each noun has its file. All that is shown comes from the API.
3. What belongs to others (`static/vendor/`) is told in `vendor.md`.
"""

from celeriac.console.pages import install, lead

__all__ = ["install", "lead"]
