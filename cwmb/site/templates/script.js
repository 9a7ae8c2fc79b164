"use strict";
(() => {
const all = (selector, within) => [...(within || document).querySelectorAll(selector)];

// ------------------------------------------------------------------------------------------------ light and dark
const root = document.documentElement, button = document.getElementById("theme");
const kept = { get() { try { return localStorage.getItem("cwmb-theme"); } catch { return null; } },
               set(value) { try { localStorage.setItem("cwmb-theme", value); } catch { /* not kept, then */ } } };
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const label = () => { button.textContent = isDark() ? "Light" : "Dark"; };
if (["light", "dark"].includes(kept.get())) root.dataset.theme = kept.get();
button.hidden = false;
button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; kept.set(root.dataset.theme); label(); });
label();

// ------------------------------------------------------------------------------------------------------- sorting
const value = (cell, group) => {
  const text = cell.dataset[group]?.split(" ")[0] ?? cell.dataset.v ?? cell.textContent;
  return text === "" ? null : isNaN(text) ? text.toLowerCase() : Number(text);
};
function sort(table, key, order, group) {
  const heads = all("thead th", table), index = heads.findIndex(head => head.dataset.key === key);
  if (index < 0) return;
  heads.forEach((head, i) => i === index ? head.setAttribute("aria-sort", order === "asc" ? "ascending" : "descending")
                                         : head.removeAttribute("aria-sort"));
  const body = table.tBodies[0], sign = order === "asc" ? 1 : -1;
  const rows = [...body.rows].map((row, place) => [row, value(row.cells[index], group), place]);
  rows.sort(([, a, i], [, b, j]) => {
    if (a === null || b === null) return (a === null) - (b === null) || i - j;  // what is missing stands last
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return (a < b ? -1 : a > b ? 1 : 0) * sign || i - j;
  });
  if (rows.some(([, , before], place) => before !== place)) body.append(...rows.map(([row]) => row));
}
all("table.heat, table.sortable").forEach(table => all("thead button", table).forEach(pressed =>
  pressed.addEventListener("click", () => {
    const head = pressed.closest("th");
    sort(table, head.dataset.key, head.getAttribute("aria-sort") === "descending" ? "asc" : "desc", "v");
  })));

// --------------------------------------------------------------------------------------------------------- board
const panels = all(".suite"), tabs = all("[role=tab]");
const DEFAULTS = { q: "", group: "all", sort: "skill", order: "desc" };
function select(name) {
  panels.forEach(panel => { panel.hidden = panel.dataset.suite !== name; });
  tabs.forEach(tab => {
    const on = tab.id === "tab-" + name;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
  });
}
function show(cell, group) {  // a metric of some of the environments, as the page was written with that of all
  const [value, low, high] = cell.dataset[group].split(" ").filter(Boolean).map(Number);
  const fixed = number => number.toFixed(2).replace(/^-0\.00$/, "0.00");
  const figure = document.createElement("b"), interval = document.createElement("small"), drawn = cell.querySelector(".whisker");
  figure.textContent = value === undefined ? "–" : fixed(value);
  interval.textContent = low === undefined ? "" : fixed(low) + " to " + fixed(high);
  cell.firstElementChild.replaceChildren(figure, " ", interval, ...(drawn ? [drawn] : []));
  if (!drawn) return;
  drawn.classList.toggle("none", value === undefined);
  const at = number => 4 + 72 * Math.min(1, Math.max(0, number ?? value ?? 0)), span = drawn.querySelector(".span");
  span.setAttribute("x1", at(low));
  span.setAttribute("x2", at(high));
  drawn.querySelector("circle").setAttribute("cx", at(value));
}
function apply(panel) {
  const form = panel.querySelector("form"), chosen = Object.fromEntries(new FormData(form)), table = panel.querySelector(".board");
  if ((table.dataset.group || DEFAULTS.group) !== chosen.group) all(".metric", table).forEach(cell => show(cell, chosen.group));
  table.dataset.group = chosen.group;
  const words = chosen.q.toLowerCase().split(/\s+/).filter(Boolean);
  const exact = Object.entries(chosen).filter(([name, wanted]) => !(name in DEFAULTS) && wanted);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = words.length ? row.textContent.toLowerCase() : "";
    row.hidden = !(exact.every(([name, wanted]) => row.dataset[name] === wanted) && words.every(word => text.includes(word)));
    shown += !row.hidden;
  }
  sort(table, chosen.sort, chosen.order, chosen.group);
  form.querySelector(".shown").textContent = shown + (shown === 1 ? " row" : " rows");
  return chosen;
}
function remember(panel) {
  const chosen = apply(panel), kept = new URLSearchParams({ suite: panel.dataset.suite });
  for (const [name, wanted] of Object.entries(chosen)) if (wanted && wanted !== DEFAULTS[name]) kept.set(name, wanted);
  history.replaceState(null, "", "#" + kept);
}
function restore() {
  const hash = location.hash.slice(1), target = hash.includes("=") ? null : document.getElementById(decodeURIComponent(hash));
  const asked = new URLSearchParams(hash.includes("=") ? hash : "");
  if (target && !target.closest(".suite") && panels.some(p => p.hidden)) return;  // an anchor of something else
  const panel = (target && target.closest(".suite")) || panels.find(p => p.dataset.suite === asked.get("suite")) || panels[0];
  select(panel.dataset.suite);
  const form = panel.querySelector("form");
  form.reset();
  for (const [name, wanted] of asked) {
    const field = form.elements[name];
    if (field && (field.tagName !== "SELECT" || [...field.options].some(option => option.value === wanted))) field.value = wanted;
  }
  apply(panel);
  all(".target").forEach(row => row.classList.remove("target"));
  if (target) target.classList.add("target");  // rows that were moved are no longer the browser's own target
  if (target) target.scrollIntoView({ block: "center" });
}
panels.forEach(panel => {
  const form = panel.querySelector("form");
  form.addEventListener("input", () => remember(panel));
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => remember(panel)));
  all(".board thead button", panel).forEach(pressed => pressed.addEventListener("click", () => {
    const head = pressed.closest("th");
    form.elements.sort.value = head.dataset.key;
    form.elements.order.value = head.getAttribute("aria-sort") === "descending" ? "asc" : "desc";
    remember(panel);
  }));
});
tabs.forEach((tab, i) => tab.addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (event.key === " ") { event.preventDefault(); tab.click(); }
  if (!step) return;
  const next = tabs[(i + step + tabs.length) % tabs.length];
  next.click();
  next.focus();
}));
if (panels.length) { addEventListener("hashchange", restore); restore(); }

// ---------------------------------------------------------------------------------------------------------- tree
const items = all("[role=treeitem]"), calls = all(".call");
function open(id) {
  const call = calls.find(c => c.id === id);
  if (!call && calls.some(c => c.hidden)) return;  // an anchor of something else
  const judged = items.find(item => item.classList.contains("judged")) || items[0];
  const chosen = call ? call.id : judged.hash.slice(1);
  calls.forEach(c => { c.hidden = c.id !== chosen; });
  items.forEach(item => {
    const on = item.hash === "#" + chosen;
    item.setAttribute("aria-selected", on);
    item.tabIndex = on ? 0 : -1;
  });
  paint(document.getElementById(chosen));
}
if (items.length) {
  items.forEach((item, i) => item.addEventListener("keydown", event => {
    const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined || !items[to]) return;
    event.preventDefault();
    history.replaceState(null, "", items[to].hash);  // a click would take the focus to the call
    open(items[to].hash.slice(1));
    items[to].focus();
  }));
  addEventListener("hashchange", () => open(location.hash.slice(1)));
  open(location.hash.slice(1));
}

// -------------------------------------------------------------------------- Python, coloured; text stays text
function paint(within) {
  const word = /(#[^\n]*)|((?:\b[rbfuRBFU]{1,2})?(?:"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))|\b(False|None|True|and|as|assert|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|self|try|while|with|yield)\b|\b(\d[\w.]*(?:[eE][-+]?\d+)?)/g;
  for (const code of all("code.python:not(.painted)", within)) {
    const source = code.textContent, parts = [];
    let end = 0;
    for (const found of source.matchAll(word)) {
      parts.push(source.slice(end, found.index));
      const span = document.createElement("span");
      span.className = found[1] ? "c" : found[2] ? "s" : found[3] ? "k" : "num";
      span.textContent = found[0];
      parts.push(span);
      end = found.index + found[0].length;
    }
    parts.push(source.slice(end));
    code.replaceChildren(...parts);
    code.classList.add("painted");
  }
  for (const code of all("code.diff:not(.painted)", within)) {
    const kinds = { "+": "add", "-": "del", "@": "at" };
    code.replaceChildren(...code.textContent.split("\n").map(text => {
      const row = document.createElement("span");
      row.className = kinds[text[0]] || "";
      row.textContent = text + "\n";
      return row;
    }));
    code.classList.add("painted");
  }
}
})();
