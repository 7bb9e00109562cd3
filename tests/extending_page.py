"""A page that extends ours as published plugins do: blocks, form macros, a script."""

from __future__ import annotations

PAGE = """
{% extends "simple_template.html" %}
{% block head %}{{ super() }}<style>.of-plugin { color: inherit; }</style>{% endblock %}
{% block content %}
<p class="of-plugin">Of the plugin.</p>
{% call forms.render_form(action=process, target="_self") %}
{{ forms.render_fields(schema, values=values, errors=errors) }}
<div class="qhana-form-buttons">{{ forms.submit("validate") }}
{{ forms.submit("submit", action=process) }}</div>
{% endcall %}
{% endblock %}
{% block script %}{{ super() }}
<script>
  const wrapper = document.getElementById("INPUT").parentNode.parentNode;
  wrapper.dataset.seen = wrapper.className;
  monitorHeightChanges(window._qhana_microfrontend_state);
  SCRIPT
</script>
{% endblock %}
"""


def extending(first_input: str, script: str) -> str:
    """Give the template; its script looks at an input as theirs do, and runs ours."""
    return PAGE.replace("INPUT", first_input).replace("SCRIPT", script)
