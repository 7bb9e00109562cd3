"""Greets whoever is named: the smallest plugin that does something."""

from app_runner.plugin_api import Output, Plugin, Task

plugin = Plugin("hello-world", "1.0.0", title="Hello world", tags=["example"])
plugin.translations = "hello_world_translations"


@plugin.processor(outputs=[Output("out.txt", "entity/list", "text/plain")])
def greet(task: Task, input_str: str) -> str:
    """Say hello to the **input**, and keep the greeting as a file."""
    task.save("out.txt", f"Hello {input_str}")
    return f"greeted {input_str}"
