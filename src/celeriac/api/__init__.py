"""Machines: JSON over HTTP, as a table of routes. Speaks Flask and Werkzeug; everything it does, `actions` does.

1. A request gets its id, `door` finds out who calls, `contract` checks what the route asks for.
2. The view, one noun per file, reads `bodies`, asks `actions` or the store and answers by `answers`.
3. Whatever goes wrong anywhere becomes a problem (RFC 9457) in `problems`.
4. `document` tells all of it as OpenAPI, from the same table.
"""

from celeriac.api.install import install
from celeriac.api.parts import Parts

__all__ = ["Parts", "install"]
