""".env.example holds every setting with its default and its reason.

`python -m tests.test_env_example` writes it anew.
"""

from __future__ import annotations

import re
import subprocess
import textwrap

from celeriac.config import PREFIX, Settings, load
from tests.article.running import ROOT

PAGE = ROOT / ".env.example"
SHORT = {"broker_url": "BROKER_URL", "result_backend": "RESULT_BACKEND", "database_url": "DATABASE_URL"}
HEAD = """\
# Every setting of the environment, with its default: copy what you change into .env, without the `#` before its name.
# Nobody here reads .env by himself: a shell does by `set -a; . ./.env; set +a`, systemd by EnvironmentFile=, Docker by
# env_file. `python -m tests.test_env_example` writes this page from src/celeriac/config.py.

# Which app `flask jobs …` is about.
#FLASK_APP=run

# What sessions and signed links are signed with. There is no default: `up` makes one and keeps it in its data folder;
# make yours by `python3 -c "import secrets; print(secrets.token_hex(32))"`.
#SECRET_KEY=

# `python run.py`: the port of Flask's own server, on loopback.
#PORT=5000
"""


def page() -> str:
    """Return .env.example as the settings themselves tell it."""
    text = HEAD
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        value = default.lower() if isinstance(field.default, bool) else default
        reason = textwrap.fill(str(field.description), 120, initial_indent="# ", subsequent_indent="# ")
        text += f"\n{reason}\n#{SHORT.get(name, PREFIX + name.upper())}={value}\n"
    return text


def test_it_holds_every_setting_with_its_default_and_reason() -> None:
    assert PAGE.read_text() == page(), "Run `python -m tests.test_env_example`."


def test_a_shell_can_read_it_and_it_changes_nothing_as_it_is() -> None:
    code = 'set -eu; before=$(env); set -a; . "$1"; set +a; [ "$before" = "$(env)" ]'

    assert subprocess.run(["bash", "-c", code, "bash", str(PAGE)], check=False).returncode == 0


def test_with_every_line_switched_on_the_settings_are_the_defaults() -> None:
    lines = dict(re.findall(r"^#([A-Z_]+)=(.*)$", PAGE.read_text(), re.M))
    ours = {name: value for name, value in lines.items() if value and name not in ("FLASK_APP", "PORT")}

    assert load({}, ours) == load({}, {})


if __name__ == "__main__":
    PAGE.write_text(page())
