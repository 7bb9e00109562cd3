/* Filters the routes while one types; without this script the server does it. */
(function () {
  "use strict";
  const form = document.querySelector(".debug-filter");
  const input = form.elements.filter;
  const body = document.querySelector("#routes tbody");
  const count = document.getElementById("shown-routes");
  let latest = 0;

  function narrow() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = String(shown);
    const url = new URL(location.href);
    url.search = words.length ? new URLSearchParams({ filter: input.value }) : "";
    history.replaceState(null, "", url);
  }

  // The server has left rows out that another filter needs: get them all, once.
  async function complete() {
    const url = new URL(location.href);
    url.search = "";
    try {
      const answer = await fetch(url);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const rows = page.querySelectorAll("#routes tbody tr");
      if (rows.length) body.replaceChildren(...rows);
    } catch {
      // The server is gone; what is shown can still be narrowed.
    }
  }

  let whole = input.value.trim() ? null : Promise.resolve();
  input.addEventListener("input", async function () {
    const mine = ++latest;
    whole ??= complete();
    await whole;
    if (mine === latest) narrow();
  });
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    input.dispatchEvent(new Event("input"));
  });
})();
