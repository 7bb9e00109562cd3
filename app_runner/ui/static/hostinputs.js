/* Inputs that the page around the form (the host) can fill: data and plugins chosen there,
   and values it remembers. Loaded by microfrontend.js, only where there is a host. */
(function () {
  "use strict";
  const { inputsNamed, isPrivate, state } = window.AppRunner.frontend;
  const setByHost = new WeakSet();

  // -- answers of the host ---------------------------------------------------------------

  const answers = {
    "data-url-response": (data) => fillFromHost(data, data.href, data.filename),
    "plugin-url-response": (data) => fillFromHost(data, data.pluginUrl, data.pluginName),
    "autofill-response": onAutofill,
  };

  function fillFromHost(message, value, label) {
    const input = inputsNamed(message.inputKey)[0] || document.getElementById(message.inputKey);
    if (!input || typeof value !== "string") {
      return;
    }
    setByHost.add(input);
    setValue(input, value);
    const version = message.version ?? message.pluginVersion;
    showInfo(input, [label, version, message.dataType].filter(Boolean).join(" · "));
    const preview = input.parentNode.querySelector(".qhana-preview-button");
    if (preview) {
      preview.hidden = !value;
    }
  }

  function setValue(input, value) {
    if (input.value !== value) {
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }

  function showInfo(input, text) {
    const info = input.parentNode.querySelector(".qhana-input-info");
    if (info) {
      info.textContent = text;
      window.monitorHeightChanges(state);
    }
  }

  function onAutofill(data) {
    const isJson = data.encoding === "application/json";
    const pairs = isJson ? jsonPairs(data.value) : [...new URLSearchParams(data.value)];
    const names = new Set(pairs.map(([name]) => name));
    for (const input of document.querySelectorAll("input, select, textarea")) {
      if (names.has(input.name) && !isPrivate(input) && !/^(file|hidden)$/.test(input.type)) {
        autofill(input, pairs.filter(([name]) => name === input.name).map((pair) => pair[1]));
      }
    }
  }

  function jsonPairs(value) {
    const values = typeof value === "string" ? JSON.parse(value) : value;
    return Object.entries(values).flatMap(([name, found]) =>
      (Array.isArray(found) ? found : [found]).map((one) => [name, String(one ?? "")]),
    );
  }

  function autofill(input, values) {
    if (input.type === "checkbox" || input.type === "radio") {
      input.checked = values.includes(input.value) || values.includes("on");
      input.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (input.multiple && input.options) {
      [...input.options].forEach((o) => (o.selected = values.includes(o.value)));
      input.dispatchEvent(new Event("change", { bubbles: true }));
    } else {
      setValue(input, values[0]);
    }
  }

  // -- questions to the host ------------------------------------------------------------

  function connectInput(input) {
    if (input.dataset.connected) {
      return;
    }
    input.dataset.connected = "";
    const isPlugin = input.dataset.inputType === "plugin";
    chooserOf(input, isPlugin).addEventListener("click", () =>
      window.sendMessage(isPlugin ? pluginRequest(input) : dataRequest(input)),
    );
    input.parentNode
      .querySelector(".qhana-preview-button")
      ?.addEventListener("click", () =>
        window.sendMessage({ type: "request-data-preview", dataUrl: input.value }),
      );
    input.addEventListener("change", (event) => {
      if (event.isTrusted) {
        setByHost.delete(input);
        askInfo(input, isPlugin);
      }
    });
    const related = input.dataset.relatedTo;
    inputsNamed(related).forEach((source) =>
      source.addEventListener("change", () => askRelated(input, source)),
    );
    askInfo(input, isPlugin);
  }

  function chooserOf(input, isPlugin) {
    const name = isPlugin ? "qhana-choose-plugin-button" : "qhana-choose-file-button";
    let button = input.parentNode.querySelector(`.${name}`);
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.className = name;
      button.textContent = "choose";
      input.after(button);
    }
    button.hidden = false;
    return button;
  }

  function words(text) {
    return (text || "").split(/\s+/).filter(Boolean);
  }

  function dataRequest(input) {
    return {
      type: "request-data-url",
      inputKey: input.name,
      acceptedInputType: input.dataset.input || "*",
      acceptedContentTypes: words(input.dataset.contentType || "*"),
    };
  }

  function pluginRequest(input) {
    const { pluginTags, pluginName, pluginVersion } = input.dataset;
    return {
      type: "request-plugin-url",
      inputKey: input.name,
      pluginTags: words(pluginTags),
      ...(pluginName && { pluginName }),
      ...(pluginVersion && { pluginVersion }),
    };
  }

  function askInfo(input, isPlugin) {
    showInfo(input, "");
    if (!input.value) {
      return;
    }
    const inputKey = input.name;
    window.sendMessage(
      isPlugin
        ? { type: "request-plugin-url-info", inputKey, pluginUrl: input.value }
        : { type: "request-data-url-info", inputKey, dataUrl: input.value },
    );
  }

  /* What the user typed stays; what is empty, or came from the host, follows its source. */
  function askRelated(input, source) {
    if (!source.value || (input.value && !setByHost.has(input))) {
      return;
    }
    const types = words(input.dataset.contentType);
    window.sendMessage({
      type: "request-related-data-url",
      inputKey: input.name,
      dataUrl: source.value,
      relation: input.dataset.relation || "any",
      includeSelf: input.dataset.relatedIncludeSelf === "true",
      acceptedInputType: input.dataset.input || "*",
      ...(types.length === 1 && { acceptedContentType: types[0] }),
      userInteraction: false,
    });
  }

  function connect(form) {
    form.querySelectorAll("[data-input-type]").forEach(connectInput);
  }

  window.AppRunner.hostInputs = { answers, connect };
})();
