/* What a form's own page shows once the form was sent: busy, refused (errors beside the
   fields), or the task that it started. Loaded by microfrontend.js when it is needed. */
(function () {
  "use strict";
  const { inputsNamed, withScript } = window.AppRunner.frontend;
  const TASK_PATH = /\/tasks\/[^/]+\/?$/; // only such addresses are taken from the fragment

  const texts = JSON.parse(document.getElementById("app-runner-texts")?.textContent || "{}");
  function text(key, fallback) {
    return texts[key] || fallback;
  }

  function element(tag, className, content) {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = content ?? "";
    return made;
  }

  /* Block the buttons while a form is on its way, so that it starts one task, not two. */
  function busy(forms, isBusy) {
    for (const form of forms) {
      form.setAttribute("aria-busy", String(isBusy));
      form.querySelectorAll("button[type=submit]").forEach((b) => (b.disabled = isBusy));
      let status = form.querySelector(".qhana-form-status");
      if (!status) {
        status = element("p", "qhana-form-status");
        status.setAttribute("role", "status");
        form.append(status);
      }
      status.textContent = isBusy ? text("sending", "Sending the form.") : "";
    }
  }

  function clearErrors() {
    document.querySelectorAll(".qhana-error-message, .qhana-error-summary").forEach((e) => {
      e.remove();
    });
    document.querySelectorAll("[aria-invalid]").forEach((input) => {
      input.removeAttribute("aria-invalid");
      const others = (input.getAttribute("aria-describedby") || "")
        .split(" ")
        .filter((id) => id && !id.endsWith("-error"));
      input.setAttribute("aria-describedby", others.join(" "));
    });
  }

  /* Show why the server refused the form: `error` is its answer (null: there was none),
     `errors` maps names of inputs to messages. */
  function showErrors(error, errors) {
    clearErrors();
    const form = document.querySelector("form.qhana-form") || document.forms[0];
    const summary = element("div", "qhana-error-summary");
    summary.setAttribute("role", "alert");
    summary.tabIndex = -1;
    const list = document.createElement("ul");
    for (const [name, found] of Object.entries(errors)) {
      list.append(errorLine(name, flat(found).join(" ")));
    }
    summary.append(element("p", "", headline(error, list)));
    if (list.children.length) {
      summary.append(list);
    }
    form.prepend(summary);
    summary.focus();
  }

  function headline(error, list) {
    if (list.children.length) {
      return text("checkErrors", "Please check these values:");
    }
    if (error === null) {
      return text("unreachable", "The server did not answer. Is it running?");
    }
    return error.message || text("refused", "The form was not accepted.");
  }

  function errorLine(name, message) {
    const line = document.createElement("li");
    const input = inputsNamed(name)[0];
    if (!input) {
      line.textContent = name === "_schema" ? message : `${name}: ${message}`;
      return line;
    }
    const link = element("a", "", labelOf(input));
    link.href = `#${input.id}`;
    line.append(link, `: ${message}`);
    markInvalid(input, message);
    return line;
  }

  function labelOf(input) {
    const label = input.labels?.[0];
    return label ? label.firstChild.textContent.trim() : input.name;
  }

  function markInvalid(input, message) {
    const note = element("div", "qhana-error-message", message);
    note.id = `${input.id}-error`;
    input.parentNode.parentNode.append(note);
    const others = input.getAttribute("aria-describedby") || "";
    input.setAttribute("aria-describedby", `${others} ${note.id}`.trim());
    input.setAttribute("aria-invalid", "true");
  }

  function flat(found) {
    return typeof found === "object" ? Object.values(found).flatMap(flat) : [String(found)];
  }

  let shown = null;
  async function showTask(url) {
    const taskView = await withScript("taskview.js", "taskView");
    await withScript("previews.js", "previews");
    shown?.close();
    const place = document.createElement("div");
    (document.querySelector("main") || document.body).append(place);
    shown = taskView.show(place, url);
    // A reload of the page comes back to the task instead of losing it.
    history.replaceState(null, "", `#task=${encodeURIComponent(new URL(url).pathname)}`);
  }

  function resumeTask() {
    const path = decodeURIComponent(location.hash.slice("#task=".length));
    const url = new URL(path, location.href);
    if (url.origin === location.origin && TASK_PATH.test(url.pathname)) {
      showTask(url.href);
    }
  }

  window.AppRunner.formPage = { busy, clearErrors, showErrors, showTask, resumeTask };
})();
