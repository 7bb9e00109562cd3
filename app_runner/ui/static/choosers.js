/* What the console offers when a form asks for data or for a plugin: results of the tasks
   that this browser remembers, and the plugins that are loaded here. */
(function () {
  "use strict";
  const { make, text } = window.AppRunner.taskView;

  /* Answer `message` of a form by `answer(...)`, once the user has chosen. */
  async function answerRequest(message, answer, tasks, pluginLinks) {
    if (message.type === "request-data-url") {
      const found = await fittingResults(message, tasks);
      choose(text("chooseData", "Choose a result of your recent tasks"), found, (one) =>
        answer({ ...one.response, inputKey: message.inputKey }),
      );
    } else if (message.type === "request-plugin-url") {
      const found = fittingPlugins(message, pluginLinks);
      choose(text("choosePlugin", "Choose a plugin"), found, (one) =>
        answer({ ...one.response, inputKey: message.inputKey }),
      );
    }
  }

  async function fittingResults(message, tasks) {
    const documents = await Promise.all(tasks.map(read));
    return documents.flatMap((document, index) =>
      (document?.outputs || [])
        .filter((output) => fits(output, message))
        .map((output) => dataChoice(output, tasks[index])),
    );
  }

  async function read(task) {
    try {
      const response = await fetch(task.url, { headers: { Accept: "application/json" } });
      return response.ok ? await response.json() : null;
    } catch {
      return null; // forgotten by the server, or never ours: there is nothing to offer
    }
  }

  function fits(output, message) {
    const types = message.acceptedContentTypes || ["*"];
    const contentType = (output.contentType || "").split(";")[0].trim();
    return (
      matches(message.acceptedInputType || "*", output.dataType) &&
      types.some((type) => matches(type, contentType))
    );
  }

  /* Compare `text/csv` with patterns such as `text/*`, `*` and `entity`. */
  function matches(pattern, type) {
    const [wantedMain, wantedSub = "*"] = pattern.split("/");
    const [main, sub = "*"] = (type || "*").split("/");
    const same = (one, other) => one === "*" || other === "*" || one === other;
    return same(wantedMain, main) && same(wantedSub, sub);
  }

  function dataChoice(output, task) {
    const { href, dataType, contentType, name } = output;
    const response = { type: "data-url-response", href, dataType, contentType, filename: name };
    return { label: `${name || href} · ${dataType} · ${task.title || ""}`, response };
  }

  function fittingPlugins(message, links) {
    const wanted = message.pluginTags || [];
    return links
      .map((link) => ({ link, tags: tagsOf(link), ...link.dataset }))
      .filter(({ tags, name }) => {
        const isNamed = !message.pluginName || message.pluginName === name;
        return isNamed && wanted.every((tag) => hasTag(tags, tag));
      })
      .map(({ name, version, apiRoot }) => ({
        label: `${name} ${version}`,
        response: {
          type: "plugin-url-response",
          pluginUrl: new URL(apiRoot, location.href).href,
          pluginName: name,
          pluginVersion: version,
        },
      }));
  }

  function tagsOf(link) {
    const items = link.closest("li").querySelectorAll(".plugin-tags li");
    return new Set([...items].map((item) => item.textContent));
  }

  function hasTag(tags, wanted) {
    return wanted.startsWith("!") ? !tags.has(wanted.slice(1)) : tags.has(wanted);
  }

  /* Ask the user for one of `choices`; nothing happens when the dialog is closed. */
  function choose(title, choices, chosen) {
    const dialog = make("dialog", { "aria-label": title }, make("h2", {}, title));
    const list = make("div", { class: "button-list" });
    for (const choice of choices) {
      const button = make("button", { type: "button" }, choice.label);
      button.addEventListener("click", () => {
        dialog.close();
        chosen(choice);
      });
      list.append(button);
    }
    if (!choices.length) {
      list.append(make("p", {}, text("noChoice", "There is none that fits.")));
    }
    const close = make("button", { type: "button" }, text("close", "Close"));
    close.addEventListener("click", () => dialog.close());
    dialog.append(list, close);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  window.AppRunner.choosers = { answerRequest };
})();
