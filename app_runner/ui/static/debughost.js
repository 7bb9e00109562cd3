/* Plays the page around a micro frontend, and shows every message in both directions. */
(function () {
  "use strict";
  // No allow-same-origin: a form of ours must not act as this page.
  const SANDBOX = "allow-forms allow-scripts allow-downloads";
  /* Keys that messages of a form must have; texts have none. */
  const OF_FORM = {
    "ui-loaded": [],
    "ui-loading": [],
    "implementations-request": [],
    "autofill-request": [],
    "ui-resize": ["height"],
    "form-submit": ["formData", "formDataType", "dataInputs", "submitUrl"],
    "form-error": ["status", "error"],
    "request-data-url": ["inputKey", "acceptedInputType", "acceptedContentTypes"],
    "request-related-data-url": ["inputKey", "dataUrl", "relation"],
    "request-data-url-info": ["inputKey", "dataUrl"],
    "request-data-preview": ["dataUrl"],
    "request-plugin-url": ["inputKey", "pluginTags"],
    "request-plugin-url-info": ["inputKey", "pluginUrl"],
    "ui-submit-status": ["isAllowedToSubmit"],
  };
  /* What the host can say, as it is sent unless it is changed on the page. */
  const OF_HOST = {
    "load-css": { urls: [] },
    "plugin-context": { experimentId: "1", location: "" },
    "data-url-response": {
      inputKey: "",
      href: "data:text/csv,ID,href%0D%0Aa,",
      dataType: "entity/list",
      contentType: "text/csv",
      filename: "example.csv",
      version: "1",
    },
    "plugin-url-response": {
      inputKey: "",
      pluginUrl: `${location.origin}/plugins/example/`,
      pluginName: "example",
      pluginVersion: "v1.0.0",
    },
    "autofill-response": { value: "", encoding: "application/x-www-form-urlencoded" },
    "implementations-response": { implementations: [] },
    "ui-prevent-submit": null,
    "ui-allow-submit": null,
    "ui-submit-status": null,
  };
  /* What the host says on its own when the form says something. */
  const ANSWERS = {
    "ui-loaded": ["load-css", "plugin-context"],
    "implementations-request": ["implementations-response"],
    "autofill-request": ["autofill-response"],
    "request-data-url": ["data-url-response"],
    "request-related-data-url": ["data-url-response"],
    "request-data-url-info": ["data-url-response"],
    "request-plugin-url": ["plugin-url-response"],
    "request-plugin-url-info": ["plugin-url-response"],
  };

  const [kind, content, error, log, place] = [
    ...["message-kind", "message-text", "message-error", "messages", "hosted"],
  ].map((id) => document.getElementById(id));
  const frame = document.createElement("iframe");

  function say(name, changed = {}) {
    const message = OF_HOST[name] ? { type: name, ...OF_HOST[name], ...changed } : name;
    // The frame's origin is opaque, so there is no target to name; nothing secret is sent.
    frame.contentWindow.postMessage(message, "*");
    show(log.dataset.to, message, "");
  }

  function show(direction, message, complaint) {
    const line = document.createElement("li");
    const text = typeof message === "string" ? message : JSON.stringify(message, null, 1);
    line.dataset.kind = kindOf(message);
    line.append(Object.assign(document.createElement("strong"), { textContent: direction }));
    line.append(Object.assign(document.createElement("pre"), { textContent: text }));
    if (complaint) {
      const note = document.createElement("p");
      note.className = "qhana-error-message";
      note.textContent = complaint;
      line.append(note);
    }
    log.append(line);
  }

  function kindOf(message) {
    return typeof message === "string" ? message : String(message?.type);
  }

  function complaintOf(message) {
    const wanted = Object.hasOwn(OF_FORM, kindOf(message)) ? OF_FORM[kindOf(message)] : null;
    if (!wanted || (typeof message === "string") !== (wanted.length === 0)) {
      return log.dataset.unknown;
    }
    const lacking = wanted.filter((key) => !(key in Object(message)));
    return lacking.length ? `${log.dataset.lacks}: ${lacking.join(", ")}` : "";
  }

  function onMessage(event) {
    if (event.source !== frame.contentWindow) {
      return;
    }
    const message = event.data;
    show(log.dataset.from, message, complaintOf(message));
    if (message?.type === "ui-resize" && Number.isFinite(message.height)) {
      frame.style.height = `${Math.max(20, message.height)}px`;
    }
    const answers = ANSWERS[kindOf(message)] || [];
    if (document.getElementById("answers-itself").checked) {
      answers.forEach((name) => say(name, answerTo(message)));
    }
  }

  /* Echo what was asked for: the input, and the URL whose details are asked. */
  function answerTo(message) {
    const answer = {};
    if (message?.inputKey) {
      answer.inputKey = message.inputKey;
    }
    if (message?.type === "request-data-url-info") {
      answer.href = message.dataUrl;
    }
    if (message?.type === "request-plugin-url-info") {
      answer.pluginUrl = message.pluginUrl;
    }
    return answer;
  }

  function edit() {
    const message = OF_HOST[kind.value];
    content.value = message ? JSON.stringify(message, null, 2) : "";
    content.disabled = !message;
    error.hidden = true;
  }

  kind.append(...Object.keys(OF_HOST).map((name) => new Option(name)));
  kind.addEventListener("change", edit);
  content.addEventListener("input", () => {
    try {
      OF_HOST[kind.value] = Object(JSON.parse(content.value));
      error.hidden = true;
    } catch {
      error.hidden = false;
    }
  });
  document.getElementById("send-message").addEventListener("click", () => say(kind.value));
  document.getElementById("clear-messages").addEventListener("click", () => log.replaceChildren());
  edit();
  if (/^https?:/.test(place.dataset.url)) {
    frame.className = "plugin-frame debug-frame";
    frame.title = place.parentElement.getAttribute("aria-label");
    frame.setAttribute("sandbox", SANDBOX);
    window.addEventListener("message", onMessage);
    frame.src = place.dataset.url;
    place.append(frame);
  }
})();
