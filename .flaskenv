# Read by `flask` and by every `./run` and `invoke` command. What belongs to one machine only
# goes into `.env`, which git ignores and which wins over this file.
FLASK_APP=app_runner
FLASK_RUN_PORT=5005
