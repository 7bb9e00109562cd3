/* The form's side of the conversation with the page around it (the host), and what a form
   does on a page of its own. Classic script: plugin scripts that follow it call its globals,
   may replace them, and may take its two listeners away (see the state below). */
(function () {
  "use strict";
  if (window._qhana_microfrontend_state) {
    return; // included twice: by the page and by its parent template
  }

  const OWN_SCRIPT = document.currentScript ? document.currentScript.src : location.href;
  const HAS_HOST = window.parent !== window;
  const HEIGHT_CHECKS = 5; // looks at the height that often after it last changed
  const HEIGHT_PAUSE = 60; // milliseconds between them
  const OWN_ENTER = /^(button|color|file|image|reset|submit)$/; // Enter opens or presses them

  const state = {
    height: 0,
    heightUnchangedCount: 0,
    targetHeight: null, // a number of pixels, or "full"
    preventSubmit: false,
    pluginContext: {},
    implementations: [],
    hostOrigin: HAS_HOST ? findHostOrigin() : null,
    messageHandler: onMessage,
    formSubmitHandler: onFormSubmit,
  };
  window._qhana_microfrontend_state = state;

  // -- to the host ---------------------------------------------------------------------

  /* Give the origin of the page around us, or null as long as nothing tells it. */
  function findHostOrigin() {
    if (location.ancestorOrigins && location.ancestorOrigins.length) {
      return location.ancestorOrigins[0];
    }
    try {
      return window.parent.location.origin; // readable only when it is our own
    } catch {
      // After a form of ours was sent the referrer is our own page, not the host.
      const referrer = document.referrer && new URL(document.referrer).origin;
      return referrer && referrer !== location.origin ? referrer : null;
    }
  }

  function sendMessage(message) {
    if (HAS_HOST) {
      const origin = state.hostOrigin;
      // A sandboxed host has the origin "null", which cannot be addressed.
      window.parent.postMessage(message, !origin || origin === "null" ? "*" : origin);
    }
  }

  function sendSubmitStatus() {
    sendMessage({ type: "ui-submit-status", isAllowedToSubmit: !state.preventSubmit });
  }

  function notifyParentWindowOnHeightChange(height, targetHeight) {
    const target = targetHeight ?? state.targetHeight;
    const message = { type: "ui-resize", height: height ?? measuredHeight() };
    sendMessage(target == null ? message : { ...message, targetHeight: target });
  }

  function measuredHeight() {
    return Math.ceil(document.documentElement.getBoundingClientRect().height);
  }

  /* Tell the host each new height until it has settled. */
  function monitorHeightChanges(watched) {
    (watched || state).heightUnchangedCount = 0;
    checkHeight();
  }

  function checkHeight() {
    clearTimeout(state.heightTimer);
    const height = measuredHeight();
    if (height !== state.height) {
      state.height = height;
      state.heightUnchangedCount = 0;
      notifyParentWindowOnHeightChange(height, state.targetHeight);
    }
    if (state.heightUnchangedCount++ < HEIGHT_CHECKS) {
      state.heightTimer = setTimeout(checkHeight, HEIGHT_PAUSE);
    }
  }

  // -- from the host -------------------------------------------------------------------

  function onMessage(event) {
    if (!HAS_HOST || event.source !== window.parent) {
      return;
    }
    state.hostOrigin ??= event.origin;
    if (event.origin !== state.hostOrigin) {
      return;
    }
    const data = event.data;
    const handler = typeof data === "string" ? onText[data] : onObject[data?.type];
    if (handler) {
      handler(data);
    }
  }

  const onText = {
    __proto__: null,
    "ui-prevent-submit": () => allowSubmit(false),
    "ui-allow-submit": () => allowSubmit(true),
    "ui-submit-status": sendSubmitStatus,
  };
  const onObject = {
    __proto__: null,
    "load-css": (data) => window.onLoadCssMessage(data, state),
    "plugin-context": (data) => {
      state.pluginContext = { experimentId: data.experimentId, location: data.location };
    },
    "data-url-response": toHostInputs,
    "plugin-url-response": toHostInputs,
    "autofill-response": toHostInputs,
    "implementations-response": (data) => {
      state.implementations = Array.isArray(data.implementations) ? data.implementations : [];
    },
  };

  function toHostInputs(data) {
    withHostInputs().then((hostInputs) => hostInputs.answers[data.type](data));
  }

  function allowSubmit(isAllowed) {
    state.preventSubmit = !isAllowed;
    sendSubmitStatus();
  }

  function onLoadCssMessage(data) {
    const known = new Set([...document.styleSheets].map((sheet) => sheet.href));
    for (const url of Array.isArray(data.urls) ? data.urls : []) {
      const href = new URL(url, document.baseURI);
      if (/^https?:$/.test(href.protocol) && !known.has(href.href)) {
        const link = document.createElement("link");
        link.rel = "stylesheet";
        link.href = href.href;
        link.addEventListener("load", () => monitorHeightChanges(state));
        document.head.append(link);
      }
    }
    document.body.style.background = "transparent";
    monitorHeightChanges(state);
  }

  function getPluginContext() {
    return state.pluginContext;
  }

  function inputsNamed(name) {
    return [...document.querySelectorAll("input, select, textarea")].filter(
      (input) => input.name === name,
    );
  }

  function isPrivate(input) {
    return input.type === "password" || input.hasAttribute("data-private");
  }

  // -- the form ------------------------------------------------------------------------

  function forms() {
    const ours = document.querySelectorAll("form.qhana-form");
    return ours.length ? [...ours] : [...document.forms].slice(0, 1);
  }

  /* Send forms by script and connect their inputs; again for forms that came later. */
  function instrumentForm(hasHost = HAS_HOST) {
    for (const form of forms()) {
      form.addEventListener("submit", state.formSubmitHandler);
      form.addEventListener("keypress", onKeyPress);
      if (hasHost) {
        withHostInputs().then((hostInputs) => hostInputs.connect(form));
      }
    }
  }

  /* Let Enter in an input submit also where a template of a plugin has "validate" first: a
     browser presses the first button. It does so at "keypress", which does not come when
     Enter has chosen one of the proposals. */
  function onKeyPress(event) {
    const buttons = [...this.elements].filter((e) => e.type === "submit" && !e.disabled);
    const submit = buttons.find((button) => button.dataset.submit === "submit");
    const { tagName, type } = event.target;
    const isEnter = event.key === "Enter" && tagName === "INPUT" && !OWN_ENTER.test(type);
    if (isEnter && submit && buttons[0].dataset.submit === "validate") {
      event.preventDefault();
      this.requestSubmit(submit);
    }
  }

  function onFormSubmit(event) {
    const form = event.target;
    const button = event.submitter;
    const action = button?.getAttribute("formaction") || form.getAttribute("action") || "";
    const url = new URL(action, document.baseURI);
    const isOwnPage = url.origin + url.pathname === location.origin + location.pathname;
    if ((button?.dataset.submit || (isOwnPage ? "validate" : "submit")) === "validate") {
      sendMessage("ui-loading"); // the next page says "ui-loaded"
      return;
    }
    event.preventDefault();
    const method = button?.getAttribute("formmethod") || form.getAttribute("method");
    window.submitFormData(new FormData(form, button), url.href, method || "post");
  }

  /* Send a form; resolves to the task's URL, or null when there is none. */
  async function submitFormData(formData, action, method) {
    const submitUrl = new URL(action, document.baseURI).href;
    const message = { type: "form-submit", ...forHost(formData), submitUrl };
    if (state.preventSubmit) {
      sendMessage(message); // the host sends it itself; nothing is started here
      return null;
    }
    const page = await withPage();
    page.busy(forms(), true);
    try {
      const response = await sent(formData, submitUrl, method);
      if (response.status !== 200) {
        await refuse(page, response);
        return null;
      }
      page.clearErrors();
      sendMessage({ ...message, resultUrl: response.url });
      if (!HAS_HOST) {
        page.showTask(response.url);
      }
      return response.url;
    } catch (error) {
      if (!(error instanceof TypeError)) {
        throw error;
      }
      const status = { code: 503, status: "Service Unavailable", message: error.message };
      sendMessage({ type: "form-error", status: 0, error: status });
      page.showErrors(null, {});
      return null;
    } finally {
      page.busy(forms(), false);
      monitorHeightChanges(state);
    }
  }

  function sent(formData, url, method) {
    const hasFiles = [...formData.values()].some((value) => value instanceof File);
    const body = hasFiles ? formData : new URLSearchParams(formData);
    if ((method || "post").toLowerCase() !== "get") {
      return fetch(url, { method: "POST", body });
    }
    const target = new URL(url);
    target.search = body;
    return fetch(target);
  }

  async function refuse(page, response) {
    let error = null;
    try {
      error = await response.json();
    } catch {
      error = { code: response.status, status: response.statusText || "Error" };
    }
    sendMessage({ type: "form-error", status: response.status, error });
    const found = error?.errors || {};
    page.showErrors(error, found.form || found.json || found.query || {});
  }

  /* Give what the host may know of the values: nothing private, no content of files. */
  function forHost(formData) {
    const shown = new URLSearchParams();
    const dataInputs = [];
    for (const [name, value] of formData) {
      const inputs = inputsNamed(name);
      if (inputs.some(isPrivate)) {
        shown.append(name, "***");
      } else {
        shown.append(name, value instanceof File ? `Uploaded file: ${value.name}` : value);
        if (value && inputs.some((input) => input.dataset.inputType === "data")) {
          dataInputs.push(value);
        }
      }
    }
    const formDataType = "application/x-www-form-urlencoded";
    return { formData: shown.toString(), formDataType, dataInputs };
  }

  // -- parts in scripts of their own, loaded when they are needed -------------------------

  const loading = new Map();
  function withScript(name, part) {
    if (!loading.has(name)) {
      const script = document.createElement("script");
      script.src = new URL(name, OWN_SCRIPT).href;
      const loaded = new Promise((resolve, reject) => {
        script.addEventListener("load", () => resolve(window.AppRunner[part]));
        script.addEventListener("error", () => reject(new TypeError(`No ${script.src}`)));
      });
      loading.set(name, loaded);
      document.head.append(script);
    }
    return loading.get(name);
  }

  function withHostInputs() {
    return withScript("hostinputs.js", "hostInputs");
  }

  function withPage() {
    return withScript("formpage.js", "formPage");
  }

  // -- start ---------------------------------------------------------------------------

  Object.assign(window, {
    sendMessage,
    notifyParentWindowOnHeightChange,
    monitorHeightChanges,
    onLoadCssMessage,
    getPluginContext,
    instrumentForm,
    submitFormData,
  });
  window.AppRunner = { ...window.AppRunner, frontend: { inputsNamed, isPrivate, state, withScript } };
  window.addEventListener("message", state.messageHandler);
  document.documentElement.classList.toggle("qhana-embedded", HAS_HOST);
  const isEarly = forms().length === 0;
  if (!isEarly) {
    instrumentForm();
  }

  /* Tell whether the form has no values yet, neither from a link nor after a check. */
  function isFresh() {
    const isChecked = document.querySelector(".qhana-error-summary, .qhana-valid-message");
    return forms().length > 0 && !location.search && !isChecked;
  }

  function onReady() {
    if (isEarly) {
      instrumentForm();
    }
    document.querySelector(".qhana-error-summary")?.focus();
    if (HAS_HOST) {
      // What the host answers is for the inputs, so they are connected first.
      withHostInputs().finally(() => {
        sendMessage("ui-loaded");
        if (isFresh()) {
          sendMessage("autofill-request");
        }
      });
      new ResizeObserver(() => monitorHeightChanges(state)).observe(document.documentElement);
    } else if (location.hash.startsWith("#task=")) {
      withPage().then((page) => page.resumeTask());
    }
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", onReady);
  } else {
    onReady();
  }
  window.addEventListener("pageshow", (event) => event.persisted && onReady());
})();
