/* The console: opens the form of a plugin in a frame, shows the tasks that it starts, and
   remembers the last ones in this browser only. */
(function () {
  "use strict";
  const { embedForm, make, show, text } = window.AppRunner.taskView;
  const { answerRequest } = window.AppRunner.choosers;
  const MEMORY = "app-runner-tasks";
  const REMEMBERED = 10;

  const links = [...document.querySelectorAll(".plugin-list a[data-api-root]")];
  const pluginPlace = document.getElementById("console-plugin");
  const taskPlace = document.getElementById("console-task");
  const unfold = document.getElementById("console-unfold");
  let open = null; // the form that is shown
  let task = null; // the task that is shown

  // -- plugins ---------------------------------------------------------------------------

  async function openPlugin(link) {
    close();
    fold(true);
    document.getElementById("console-welcome").hidden = true;
    links.forEach((other) => other.toggleAttribute("aria-current", other === link));
    const root = new URL(link.dataset.apiRoot, location.href);
    let metadata = null;
    let base = root;
    try {
      const response = await fetch(root, { headers: { Accept: "application/json" } });
      metadata = response.ok ? await response.json() : null;
      base = response.url; // relative links start at the address after redirects
    } catch {
      // Another server's plugin that we may not read: its own page is offered below.
    }
    const title = metadata?.title || link.querySelector("strong").textContent;
    const uiHref = metadata?.entryPoint?.uiHref;
    pluginPlace.replaceChildren(make("h1", { tabindex: "-1" }, title));
    pluginPlace.firstChild.focus();
    if (!uiHref) {
      const page = make("a", { href: link.href }, link.href);
      pluginPlace.append(make("p", {}, text("noPlugin", "This plugin has no form."), " ", page));
      return;
    }
    open = embedForm(pluginPlace, new URL(uiHref, base).href, `${text("form", "Form")}: ${title}`, {
      submitted: (resultUrl) => {
        remember({ url: resultUrl, title, at: Date.now() });
        openTask(resultUrl);
      },
      asked: (message, answer) => answerRequest(message, answer, remembered(), links),
    });
  }

  /* Make room on narrow screens, where the list stands above what is open. */
  function fold(isFolded) {
    unfold.hidden = false;
    unfold.setAttribute("aria-expanded", String(!isFolded));
  }

  function close() {
    open?.close();
    open = null;
    task?.close();
    task = null;
  }

  function openTask(url) {
    task?.close();
    task = show(taskPlace, url);
  }

  function openFromAddress() {
    const wanted = decodeURIComponent(location.hash.slice("#plugin=".length));
    const link = links.find((one) => one.dataset.identifier === wanted);
    if (location.hash.startsWith("#plugin=") && link) {
      openPlugin(link);
    }
  }

  links.forEach((link) =>
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) {
        return; // a new tab or window was asked for
      }
      event.preventDefault();
      const hash = `#plugin=${encodeURIComponent(link.dataset.identifier)}`;
      if (location.hash === hash) {
        openPlugin(link);
      } else {
        location.hash = hash; // so that "back" and bookmarks work
      }
    }),
  );
  window.addEventListener("hashchange", openFromAddress);
  unfold.addEventListener("click", () => fold(unfold.getAttribute("aria-expanded") === "true"));

  // -- filter ----------------------------------------------------------------------------

  const filter = document.getElementById("plugin-filter");
  function applyFilter() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const link of links) {
      const item = link.closest("li");
      const content = item.textContent.toLowerCase();
      item.hidden = !words.every((word) => content.includes(word));
      found += item.hidden ? 0 : 1;
    }
    const status = document.getElementById("plugin-filter-status");
    status.textContent = found ? "" : text("noneFound", "No plugin matches.");
  }
  if (filter) {
    filter.closest(".console-filter").hidden = false;
    filter.addEventListener("input", applyFilter);
  }

  // -- recent tasks ----------------------------------------------------------------------

  function remembered() {
    try {
      const found = JSON.parse(localStorage.getItem(MEMORY) || "[]");
      return Array.isArray(found) ? found : [];
    } catch {
      return []; // storage is switched off, or holds something else
    }
  }

  function store(tasks) {
    try {
      localStorage.setItem(MEMORY, JSON.stringify(tasks));
    } catch {
      // Switched off or full: then nothing is remembered.
    }
    listTasks(tasks);
  }

  function remember(entry) {
    const others = remembered().filter((one) => one.url !== entry.url);
    store([entry, ...others].slice(0, REMEMBERED));
  }

  function listTasks(tasks) {
    const list = document.querySelector("#recent-tasks .task-list");
    const own = tasks.filter((one) => isOwn(one.url));
    list.replaceChildren(...own.map(taskLine));
    document.getElementById("recent-tasks").hidden = own.length === 0;
  }

  function isOwn(url) {
    return typeof url === "string" && new URL(url, location.href).origin === location.origin;
  }

  function taskLine(entry) {
    const link = make("a", { href: entry.url }, String(entry.title || entry.url));
    link.addEventListener("click", (event) => {
      event.preventDefault();
      close();
      fold(true);
      history.replaceState(null, "", location.pathname);
      links.forEach((other) => other.removeAttribute("aria-current"));
      document.getElementById("console-welcome").hidden = true;
      pluginPlace.replaceChildren(make("h1", {}, String(entry.title || "")));
      openTask(entry.url);
    });
    const at = new Date(entry.at || 0);
    const time = make("time", { datetime: at.toISOString() }, at.toLocaleString());
    return make("li", {}, link, " ", time);
  }

  document.getElementById("forget-tasks").addEventListener("click", () => store([]));
  listTasks(remembered());
  openFromAddress();
})();
