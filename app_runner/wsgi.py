"""Entry point for WSGI servers: ``app_runner.wsgi:app``."""

import gc
import sys

from app_runner import create_app
from app_runner.api.start_check import refuse_unsafe_start
from app_runner.errors import SettingError

try:
    app = create_app()
    refuse_unsafe_start(app)
    gc.freeze()  # what lives as long as the process is never garbage
except SettingError as error:
    print(error, file=sys.stderr)  # noqa: T201 - one line, not a traceback
    sys.exit(3)  # gunicorn takes 3 as "do not try again"
