"use strict";
// Everything on the page is there without this script; it sorts, searches, enlarges and shows images.
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  root.classList.add("js");

  // Light and dark. A page from disk or in a sandboxed frame may have no storage: then nothing is kept.
  const stored = {
    get() { try { return localStorage.getItem("stackkit-theme"); } catch { return null; } },
    set(value) { try { localStorage.setItem("stackkit-theme", value); } catch { /* not kept */ } },
  };
  const themes = ["system", "light", "dark"];
  const show = (theme) => {
    root.dataset.theme = theme;
    byId("theme").querySelector("span").textContent = theme;
  };
  show(themes.includes(stored.get()) ? stored.get() : "system");
  byId("theme").addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
    show(next);
    stored.set(next);
  });

  // In a frame of a notebook, "#errors" is an address below the notebook's own; so no link is followed.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const target = link && byId(link.getAttribute("href").slice(1));
    if (!target) return;
    event.preventDefault();
    target.scrollIntoView();
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
  });
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.getAttribute("href").slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      links.forEach((a) => a.removeAttribute("aria-current"));
      const link = links.get(entry.target.id);
      link?.setAttribute("aria-current", "true");
      const list = link?.closest("ul");  // on a narrow screen, it shows a part of the links
      list?.scrollTo({ left: link.offsetLeft - list.offsetLeft - list.clientWidth / 3 });
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));

  // Tables.
  const collator = new Intl.Collator(undefined, { numeric: true });
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.key ?? cell.textContent.trim();
  };
  const sort = (table, column, kind, direction) => {
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [value(row, column), row]);
    keyed.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");  // missing figures come last
      return direction * (kind === "text" ? collator.compare(a, b) : a - b);
    });
    body.append(...keyed.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    table.tHead.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const head = button.parentElement;
      const kind = button.dataset.sort;
      const before = head.ariaSort;
      // Names from A, figures from the highest: what a reader looks for first.
      const first = kind === "text" ? "ascending" : "descending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = before === first ? other : first;
      for (const each of table.tHead.rows[0].cells) each.ariaSort = "none";
      head.ariaSort = order;
      sort(table, head.cellIndex, kind, order === "ascending" ? 1 : -1);
    });
  }

  const search = (input, act) => {
    let waiting = 0;
    input?.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => act(input.value.trim().toLowerCase()), 60);
    });
  };
  const rows = [...(byId("classes")?.tBodies[0].rows ?? [])].map((row) => [row, row.cells[0].textContent.toLowerCase()]);
  search(byId("class-search"), (text) => {
    let found = 0;
    for (const [row, name] of rows) found += !(row.hidden = !name.includes(text));
    byId("class-count").textContent = text ? `${found} of ${rows.length} classes` : "";
  });

  // Pictures, moved into the dialog and back, so that no id is on the page twice.
  const large = byId("large");
  const stage = large.querySelector(".stage");
  let home = null;
  for (const button of document.querySelectorAll(".enlarge")) {
    button.addEventListener("click", () => {
      home = button.closest(".drawn").querySelector(".canvas");
      stage.append(...home.childNodes);
      large.showModal();
    });
  }
  large.addEventListener("close", () => home?.append(...stage.childNodes));

  byId("copy")?.addEventListener("click", async () => {
    const text = byId("command");
    try {
      await navigator.clipboard.writeText(text.textContent);
      byId("copy").textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
    }
  });

  // Browsers that cannot style what is folded print it open this way.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((each) => { each.open = false; }));

  if (byId("map-data")) drawMap(byId, search);
})();

function drawMap(byId, search) {
  const data = JSON.parse(byId("map-data").textContent);
  const view = byId("map-view");
  const svg = view.querySelector("svg");
  const card = byId("map-card");
  const mark = byId("map-mark");
  const groups = [...svg.querySelectorAll("g")];
  const points = [...svg.querySelectorAll("g circle")].map((circle) => ({
    x: +circle.getAttribute("cx"),
    y: +circle.getAttribute("cy"),
    n: +circle.dataset.n,
    group: circle.parentNode,
  }));
  const visible = () => points.filter((each) => !view.classList.contains("some") || each.group.classList.contains("on"));
  let current = null;

  const describe = (n) => {
    const label = data.classes[data.labels[n]];
    const answer = data.answers[n];
    const said = answer < 0 ? "not predicted"
      : answer === data.labels[n] ? "recognised" : `taken for ${data.classes[answer]}`;
    return [label, said, data.ids[n]];
  };
  const hide = () => {
    current = null;
    card.hidden = true;
    mark.toggleAttribute("hidden", true);
  };
  const show = (point, announce) => {
    current = point;
    mark.setAttribute("cx", point.x);
    mark.setAttribute("cy", point.y);
    mark.toggleAttribute("hidden", false);
    const cell = data.cells[point.n];
    const image = card.querySelector(".cell");
    image.hidden = cell < 0;
    image.style.backgroundPosition =
      `-${(cell % data.columns) * data.cell}px -${Math.floor(cell / data.columns) * data.cell}px`;
    const text = card.querySelector("p");
    const [label, said, id] = describe(point.n);
    const strong = document.createElement("b");
    strong.textContent = label;
    const small = document.createElement("span");
    small.className = "file";
    small.textContent = id;
    text.replaceChildren(strong, document.createElement("br"), said, document.createElement("br"), small);
    card.hidden = false;
    const scale = svg.clientWidth / 900;
    const left = point.x * scale, top = point.y * scale;
    const right = left + 16 + card.offsetWidth > view.clientWidth;
    card.style.left = `${Math.max(0, right ? left - 16 - card.offsetWidth : left + 16)}px`;
    card.style.top = `${Math.max(0, Math.min(top - 20, view.clientHeight - card.offsetHeight))}px`;
    if (announce) byId("map-said").textContent = `${label}, ${said}, ${id}`;
  };
  const nearest = (x, y, among, allowed = Infinity) => {
    let best = null, least = allowed ** 2;
    for (const each of among) {
      const distance = (each.x - x) ** 2 + (each.y - y) ** 2;
      if (distance < least) [best, least] = [each, distance];
    }
    return best;
  };
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    const scale = 900 / box.width;
    const found = nearest((event.clientX - box.left) * scale, (event.clientY - box.top) * scale, visible(), 14 * Math.max(1, scale));
    if (found) show(found, false); else hide();
  };
  view.addEventListener("pointermove", point);
  view.addEventListener("pointerdown", point);
  view.addEventListener("pointerleave", hide);
  view.addEventListener("blur", hide);
  view.addEventListener("focus", () => {
    if (!current && view.matches(":focus-visible")) {
      const first = nearest(450, 300, visible());
      if (first) show(first, true);
    }
  });
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  view.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const step = steps[event.key];
    if (!step) return undefined;
    event.preventDefault();
    const from = current ?? { x: 450, y: 300 };
    let best = null, least = Infinity;
    for (const each of visible()) {
      const along = (each.x - from.x) * step[0] + (each.y - from.y) * step[1];
      const aside = Math.abs((each.x - from.x) * step[1]) + Math.abs((each.y - from.y) * step[0]);
      // Ahead rather than aside; a point at the same place is passed in the order of the list.
      if (along > 0 && along + 2 * aside < least) [best, least] = [each, along + 2 * aside];
    }
    if (best) show(best, true);
    return undefined;
  });

  const highlight = (chosen) => {
    view.classList.toggle("some", chosen !== null);
    groups.forEach((group) => group.classList.toggle("on", chosen !== null && chosen.has(+group.dataset.class)));
    document.querySelectorAll(".legend button").forEach((button) => {
      button.setAttribute("aria-pressed", chosen !== null && chosen.has(+button.dataset.class));
    });
    const count = chosen ? visible().length : 0;
    byId("map-count").textContent = chosen ? `${chosen.size} ${chosen.size === 1 ? "class" : "classes"}, ${count} ${count === 1 ? "image" : "images"}` : "";
    hide();
  };
  search(byId("map-search"), (text) => {
    if (!text) return highlight(null);
    const found = groups.map((group) => +group.dataset.class)
      .filter((label) => data.classes[label].toLowerCase().includes(text));
    return highlight(new Set(found));
  });
  document.querySelectorAll(".legend button").forEach((button) => button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    byId("map-search").value = "";
    highlight(on ? new Set([+button.dataset.class]) : null);
  }));
}
