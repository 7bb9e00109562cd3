/* Shows what a result looks like: our own files by their preview (rows, a page of text, a
   tree, a picture as it is or a small one), texts that lie elsewhere by their beginning. */
(function () {
  "use strict";
  const PREVIEW_BYTES = 20000;
  const OURS = /\/files\/[^/]+\/$/;
  const IMAGES = /^image\/(png|jpeg|gif|webp|bmp|svg\+xml)$/;
  const TEXTS = /^text\/(?!html)|[/+](json|x-lines\+json|csv|yaml)$/i;
  const { make, text } = window.AppRunner;

  function previewUrl(href) {
    const url = new URL(href, location.href);
    if (url.origin !== location.origin || !OURS.test(url.pathname)) {
      return null;
    }
    url.pathname += "preview/";
    return url;
  }

  /* Tell whether a result of this type and address may have a preview. */
  function canShow(href, type) {
    return Boolean(previewUrl(href)) || IMAGES.test(type) || TEXTS.test(type);
  }

  /* Give an element that shows the result. */
  async function show(href, type, name) {
    try {
      const url = previewUrl(href);
      if (type === "image/svg+xml" || (!url && IMAGES.test(type))) {
        return make("img", { src: href, alt: name });
      }
      const whole = IMAGES.test(type) ? href : null; // what a browser can show itself
      return url ? await page(url, 0, name, whole) : await beginning(href, type);
    } catch {
      return make("p", {}, text("noPreview", "This file cannot be shown here."));
    }
  }

  // -- our own files ---------------------------------------------------------------------

  async function page(url, offset, name, whole) {
    const asked = new URL(url);
    asked.searchParams.set("offset", offset);
    const response = await fetch(asked);
    if (!response.ok) {
      throw new TypeError(`status ${response.status}`);
    }
    const found = await response.json();
    const box = make("div", { class: "file-preview" }, ...parts(found, name, whole));
    const next = following(found);
    if (next !== null) {
      box.append(moreButton(box, url, next, name));
    } else if (found.more) {
      box.append(make("p", {}, text("cut", "Only the beginning is shown.")));
    }
    return box;
  }

  function following(found) {
    if (found.kind === "table" && found.more && found.rows.length) {
      return found.offset + found.rows.length;
    }
    return found.kind === "text" ? found.next : null;
  }

  function moreButton(box, url, offset, name) {
    const button = make("button", { type: "button" }, text("more", "Show more"));
    button.addEventListener("click", async () => {
      button.disabled = true;
      box.after(await page(url, offset, name));
      button.remove();
    });
    return button;
  }

  function parts(found, name, whole) {
    switch (found.kind) {
      case "table":
        return [table(found)];
      case "text":
        return [make("pre", { tabindex: "0" }, found.text)];
      case "json":
        return [make("pre", { tabindex: "0" }, JSON.stringify(found.value, null, 2))];
      case "tree":
        return [make("ul", { class: "file-tree" }, ...found.entries.map(entry))];
      case "image":
        return picture(found, name, whole);
      default:
        return [make("p", {}, text("noPreview", "This file cannot be shown here."))];
    }
  }

  function table(found) {
    const row = (kind, cells) =>
      make("tr", {}, ...cells.map((cell) => make(kind, {}, String(cell ?? ""))));
    const head = make("thead", {}, row("th", found.columns));
    const body = make("tbody", {}, ...found.rows.map((cells) => row("td", cells)));
    return make("table", { tabindex: "0" }, head, body);
  }

  function entry(each) {
    const size = each.folder ? "" : ` (${each.size} B)`;
    return make("li", {}, each.path, make("small", {}, size));
  }

  /* The whole picture where a browser can show it, else the small copy. There is none of one
     with too many pixels. The whole may lie at a store from which this page shows nothing. */
  function picture(found, name, whole) {
    const size = make("p", {}, `${found.width} × ${found.height}`);
    if (!found.thumbnail) {
      return [size];
    }
    const shown = make("img", { src: whole || found.thumbnail, alt: name });
    shown.addEventListener("error", () => (shown.src = found.thumbnail), { once: true });
    return [shown, size];
  }

  // -- files that lie elsewhere ----------------------------------------------------------

  async function beginning(href, type) {
    const box = make("pre", { tabindex: "0" });
    const { start, isWhole } = await firstBytes(href);
    const content = new TextDecoder().decode(start);
    const isJson = isWhole && /[/+]json$/.test(type) && !type.includes("lines");
    box.textContent = isJson ? JSON.stringify(JSON.parse(content), null, 2) : content;
    if (!isWhole) {
      box.append(make("em", {}, `\n${text("cut", "Only the beginning is shown.")}`));
    }
    return box;
  }

  /* Read the beginning and leave the rest where it is: results may be gigabytes. */
  async function firstBytes(href) {
    const response = await fetch(href);
    if (!response.ok) {
      throw new TypeError(`status ${response.status}`);
    }
    const reader = response.body.getReader();
    const chunks = [];
    let size = 0;
    let done = false;
    while (!done && size < PREVIEW_BYTES) {
      const read = await reader.read();
      done = read.done;
      size += read.value?.length || 0;
      chunks.push(read.value || new Uint8Array());
    }
    reader.cancel();
    const all = new Uint8Array(await new Blob(chunks).arrayBuffer());
    return { start: all.slice(0, PREVIEW_BYTES), isWhole: done && size <= PREVIEW_BYTES };
  }

  window.AppRunner = { ...window.AppRunner, previews: { canShow, show } };
})();
