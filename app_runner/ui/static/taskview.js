/* Shows a task (state, progress, results, log) as its events tell, or, where these do not come,
   by asking for its document until it ends; and the form of a step that waits, framed. Used by
   forms on their own page and the console. */
(function () {
  "use strict";
  const FIRST_PAUSE = 250; // milliseconds between two looks at the task, growing …
  const LONGEST_PAUSE = 2000; // … up to this
  const SAFETY_PAUSE = 10000; // the same while events come; a proxy may hold them back
  const MOST_OUTPUT = 200000; // characters of the job's output that stay on the page
  const MISSES = 10; // looks in vain, one after the other, until we give up
  // No allow-same-origin: the page of a plugin must not act as ours.
  // A page with an origin of its own would not get the cookie of who is logged in.
  const LOGGED_IN = document.body.classList.contains("logged-in");
  const SANDBOX = `allow-forms allow-scripts allow-downloads${LOGGED_IN ? " allow-same-origin" : ""}`;

  const texts = JSON.parse(document.getElementById("app-runner-texts")?.textContent || "{}");
  function text(key, fallback) {
    return texts[key] || fallback;
  }

  /* Make an element; `parts` are attributes (an object), then texts and elements in it. */
  function make(tag, parts, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(parts)) {
      made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  function isWebUrl(url) {
    return /^https?:$/.test(new URL(url, location.href).protocol);
  }

  // -- a plugin's form in a frame --------------------------------------------------------

  /* Frame the form at `url` and play the host; `handlers.submitted(resultUrl)` is called
     when it has started a task, `handlers.asked(message, answer)` when it asks something.
     Gives the frame and a function that takes it away. */
  function embedForm(place, url, title, handlers) {
    const frame = make("iframe", { class: "plugin-frame", sandbox: SANDBOX, title });
    const listener = (event) => {
      if (event.source === frame.contentWindow) {
        onFormMessage(frame, event.data, handlers);
      }
    };
    window.addEventListener("message", listener);
    frame.src = url;
    place.append(frame);
    const close = () => {
      window.removeEventListener("message", listener);
      frame.remove();
    };
    return { frame, close };
  }

  function onFormMessage(frame, data, handlers) {
    if (data === "ui-loaded") {
      // The frame's origin is opaque, so there is no target to name; nothing secret is sent.
      frame.contentWindow.postMessage({ type: "plugin-context" }, "*");
    } else if (data?.type === "ui-resize" && Number.isFinite(data.height)) {
      const target = data.targetHeight === "full" ? window.innerHeight : data.targetHeight || 0;
      frame.style.height = `${Math.max(20, data.height, target)}px`;
    } else if (data?.type === "form-submit" && typeof data.resultUrl === "string") {
      if (new URL(data.resultUrl, location.href).origin === location.origin) {
        handlers.submitted(data.resultUrl);
      }
    } else if (/^request-/.test(data?.type) && handlers.asked) {
      handlers.asked(data, (answer) => frame.contentWindow.postMessage(answer, "*"));
    }
  }

  // -- a task ----------------------------------------------------------------------------

  /* Show the task at `url` below `place` until `close()` is called. */
  function show(place, url, onChange) {
    let open = begin(place, url, onChange, restart);
    function restart(next) {
      open.close();
      open = begin(place, next, onChange, restart);
    }
    return { close: () => open.close() };
  }

  function begin(place, url, onChange, restart) {
    const view = build(url);
    place.append(view.root);
    view.heading.focus();
    const task = { url, view, pause: FIRST_PAUSE, misses: 0, onChange, shown: new Set() };
    view.again.addEventListener("click", () => runAgain(task, restart));
    view.cancel.addEventListener("click", () => cancel(task));
    look(task);
    follow(task);
    return {
      close() {
        clearTimeout(task.timer);
        task.closed = true;
        task.events?.close();
        task.step?.close();
        view.root.remove();
      },
    };
  }

  /* Listen to the events of a task; the browser resumes a stream that breaks. */
  function follow(task) {
    const events = new EventSource(new URL("events", task.url));
    task.events = events;
    const on = (name, act) =>
      events.addEventListener(name, (event) => act(JSON.parse(event.data)));
    on("status", () => lookNow(task));
    on("steps", () => lookNow(task));
    on("progress", (progress) => renderProgress(task.view, { status: "PENDING", progress }));
    on("log", (chunk) => appendOutput(task.view, chunk));
    on("result", (document) => {
      clearTimeout(task.timer);
      events.close();
      render(task, document);
      offerAgain(task, document.execution);
    });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED && !task.closed) {
        task.events = null; // refused: from now on we ask
        lookNow(task);
      }
    });
  }

  function lookNow(task) {
    clearTimeout(task.timer);
    task.pause = FIRST_PAUSE;
    look(task);
  }

  function appendOutput(view, chunk) {
    if (chunk.attempt !== view.attempt) {
      view.attempt = chunk.attempt; // what an attempt said that was lost is in its log
      view.output.textContent = "";
    }
    const whole = `${view.output.textContent}${chunk.lines.join("\n")}\n`;
    view.output.textContent = whole.slice(-MOST_OUTPUT);
    view.output.scrollTop = view.output.scrollHeight;
    view.outputBox.hidden = false;
  }

  async function runAgain(task, restart) {
    const refused = text("notAgain", "The task was not started again.");
    const answer = await command(task, "rerun", task.view.again, refused);
    if (answer) {
      restart(answer.url);
    }
  }

  async function cancel(task) {
    const refused = text("notCancelled", "The task was not cancelled.");
    if (await command(task, "cancel", task.view.cancel, refused)) {
      task.view.heading.focus(); // the button goes away
      lookNow(task);
    }
  }

  /* Send a command to the task with `button`, which is free again if that is refused. */
  async function command(task, name, button, refused) {
    const { refusal } = task.view;
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    const body = JSON.stringify({ command: name });
    button.disabled = true;
    refusal.textContent = "";
    try {
      const answer = await fetch(task.url, { method: "POST", headers, body });
      if (answer.ok) {
        return answer;
      }
      const { message } = await answer.json();
      refusal.textContent = message || refused;
    } catch {
      refusal.textContent = text("unreachable", "The server did not answer. Is it running?");
    }
    button.disabled = false;
    return null;
  }

  /* Offer to run an ended task again: as it was, and from its form, filled in. */
  async function offerAgain(task, execution) {
    const { plugin, parameters } = execution || {};
    if (!plugin || !parameters || task.offered) {
      return;
    }
    task.offered = true;
    task.view.againLine.hidden = false;
    const root = new URL(`../../plugins/${encodeURIComponent(plugin)}/`, task.url);
    const answer = await fetch(root).catch(() => null);
    const metadata = answer?.ok ? await answer.json() : null;
    if (metadata?.entryPoint?.uiHref) {
      const form = new URL(metadata.entryPoint.uiHref, root);
      for (const [name, value] of Object.entries(parameters)) {
        [value].flat().forEach((one) => {
          if (one !== null && typeof one !== "object" && one !== "***") {
            form.searchParams.append(name, one);
          }
        });
      }
      task.view.form.href = form.href;
      task.view.form.hidden = false;
    }
  }

  function build(url) {
    const view = {
      heading: make("h2", { tabindex: "-1" }, text("task", "Task")),
      state: make("p", { class: "task-state", role: "status" }),
      bar: make("progress", { "aria-label": text("progress", "Progress") }),
      amount: make("span", {}),
      step: make("div", { class: "task-step" }),
      resultsTitle: make("h3", { hidden: "" }, text("results", "Results")),
      results: make("ul", { class: "task-results" }),
      log: make("pre", { tabindex: "0" }),
    };
    view.progress = make("div", { class: "task-progress" }, view.bar, view.amount);
    view.logBox = make("details", { hidden: "" });
    view.logBox.append(make("summary", {}, text("log", "Log")), view.log);
    view.output = make("pre", { tabindex: "0", class: "task-output" });
    view.outputBox = make("details", { hidden: "" });
    view.outputBox.append(make("summary", {}, text("output", "Output")), view.output);
    view.again = make("button", { type: "button" }, text("again", "Run again"));
    view.form = make("a", { hidden: "" }, text("againForm", "Open the form with these values"));
    view.againLine = make("p", { hidden: "" }, view.again, " ", view.form);
    view.cancel = make("button", { type: "button" }, text("cancel", "Cancel the task"));
    view.cancelLine = make("p", { hidden: "" }, view.cancel);
    view.refusal = make("p", { role: "alert" });
    const link = make("a", { href: `${url}?format=json` }, text("openTask", "Open the task document"));
    view.root = make("section", { class: "task-view" });
    view.root.append(view.heading, view.state, view.progress, view.cancelLine, view.step);
    view.root.append(view.resultsTitle, view.results, view.logBox, view.outputBox);
    view.root.append(view.againLine, view.refusal, make("p", {}, link));
    return view;
  }

  async function look(task) {
    let seen = null;
    try {
      const response = await fetch(task.url, { headers: { Accept: "application/json" } });
      seen = response.ok ? await response.json() : null;
      task.misses = seen ? 0 : response.status === 404 ? MISSES : task.misses + 1;
    } catch {
      task.misses += 1; // the server restarts, or the network is away for a moment
    }
    if (task.closed) {
      return;
    }
    if (seen) {
      render(task, seen);
    }
    if (task.misses >= MISSES) {
      const stopped = "The state of the task cannot be read any more.";
      task.view.state.textContent = text("stopped", stopped);
    } else if (!seen || isPending(seen)) {
      task.pause = Math.min(task.pause * 1.25, LONGEST_PAUSE);
      clearTimeout(task.timer);
      task.timer = setTimeout(() => look(task), task.events ? SAFETY_PAUSE : task.pause);
    } else {
      task.events?.close();
      offerAgain(task, seen.execution);
    }
  }

  function isPending(seen) {
    return seen.status === "PENDING" || seen.status === "UNKNOWN";
  }

  function render(task, seen) {
    const { view } = task;
    const step = isPending(seen) ? (seen.steps || []).find((one) => !one.cleared) : undefined;
    const sentence = stateText(seen, step);
    if (view.state.textContent !== sentence) {
      view.state.textContent = sentence; // only then: a screen reader says each change
    }
    view.state.dataset.state = isPending(seen) || seen.status === "SUCCESS" ? seen.status : "FAILURE";
    renderProgress(view, seen, step);
    renderCancel(view, seen);
    renderStep(task, step);
    for (const output of seen.outputs || []) {
      if (!task.shown.has(output.href) && isWebUrl(output.href)) {
        task.shown.add(output.href);
        view.results.append(resultLine(output));
        view.resultsTitle.hidden = false;
      }
    }
    view.log.textContent = seen.log || "";
    view.logBox.hidden = !seen.log;
    view.logBox.open ||= !isPending(seen) && seen.status !== "SUCCESS";
    task.onChange?.(seen);
  }

  function stateText(seen, step) {
    const state = seen.execution?.state;
    if (state === "cancelling") {
      return text("cancelling", "The task is being cancelled.");
    }
    if (state === "cancelled") {
      return text("cancelled", "The task was cancelled.");
    }
    if (isPending(seen)) {
      return step
        ? text("waiting", "The task waits for your input.")
        : text("running", "The task is running.");
    }
    return seen.status === "SUCCESS"
      ? text("finished", "The task is finished.")
      : text("failed", "The task failed.");
  }

  function renderProgress(view, seen, step) {
    const { start = 0, target = 100, value, unit = "" } = seen.progress || {};
    const waits = step && value === undefined; // nothing moves until somebody answers
    view.progress.hidden = !isPending(seen) || Boolean(waits);
    if (value === undefined || target === start) {
      view.bar.removeAttribute("value"); // how long it takes is not known
      view.amount.textContent = "";
    } else {
      view.bar.value = (value - start) / (target - start);
      view.amount.textContent = unit === "%" ? `${value} %` : `${value} / ${target} ${unit}`;
    }
  }

  function renderCancel(view, seen) {
    view.cancelLine.hidden = !isPending(seen) || seen.execution?.state === "cancelling";
  }

  function renderStep(task, step) {
    if (step?.uiHref === task.stepHref) {
      return;
    }
    if (task.view.step.contains(document.activeElement)) {
      task.view.heading.focus(); // the form that was answered goes away
    }
    task.step?.close();
    task.step = null;
    task.stepHref = step?.uiHref;
    task.view.step.replaceChildren();
    if (step && isWebUrl(step.uiHref)) {
      openStep(task, new URL(step.uiHref, task.url));
    }
  }

  function openStep(task, url) {
    const title = text("nextStep", "Next step");
    task.view.step.append(make("h3", {}, title));
    if (url.origin !== location.origin) {
      const link = make("a", { href: url.href, target: "_blank", rel: "noopener" }, title);
      task.view.step.append(link);
      return;
    }
    task.step = embedForm(task.view.step, url.href, title, {
      submitted() {
        // The form stays as it is until the task has taken the answer and moved on.
        lookNow(task);
      },
    });
  }

  // -- results ---------------------------------------------------------------------------

  function resultLine(output) {
    const name = output.name || output.href.split("/").pop();
    const kind = [output.dataType, output.contentType].filter(Boolean).join(" · ");
    const line = make("div", { class: "result-line" }, make("strong", {}, name));
    line.append(make("span", { class: "result-kind" }, kind));
    const item = make("li", {}, line);
    const type = (output.contentType || "").split(";")[0].trim();
    if (window.AppRunner.previews.canShow(output.href, type)) {
      line.append(previewButton(item, output.href, type, name));
    }
    const download = make("a", { href: output.href, download: name });
    download.setAttribute("aria-label", `${text("download", "Download")} ${name}`);
    download.append(text("download", "Download"));
    line.append(download);
    return item;
  }

  function previewButton(item, href, type, name) {
    const button = make("button", { type: "button", "aria-expanded": "false" });
    button.setAttribute("aria-label", `${text("preview", "Preview")} ${name}`);
    button.append(text("preview", "Preview"));
    let preview = null;
    button.addEventListener("click", async () => {
      if (!preview) {
        preview = make("div", { hidden: "" });
        item.append(preview);
        preview.append(await window.AppRunner.previews.show(href, type, name));
      }
      preview.hidden = !preview.hidden;
      button.setAttribute("aria-expanded", String(!preview.hidden));
    });
    return button;
  }

  window.AppRunner = { ...window.AppRunner, make, text };
  window.AppRunner.taskView = { show, embedForm, make, text };
})();
