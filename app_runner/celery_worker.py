"""Entry point for the celery command: ``celery -A app_runner.celery_worker worker``."""

import gc
import sys

from app_runner import create_app
from app_runner.errors import SettingError
from app_runner.tasks.queue import serve_worker
from app_runner.tasks.queues import check_pool

try:
    app = serve_worker(create_app())
    check_pool(app.conf.worker_pool, sys.argv)
    gc.freeze()  # children then share the memory of what never changes
except SettingError as error:
    print(error, file=sys.stderr)  # noqa: T201 - one line, not a traceback
    sys.exit(3)
