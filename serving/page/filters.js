// Filters of the slate, of a search and of similar videos: conditions on columns of the catalogue.

import { make } from "/page/page.js";
import { $ } from "/page/token.js";
import { known } from "/page/videos.js";

const HOW = { any: "is", not: "is not", min: "at least", max: "at most" };
const UNITS = { duration_s: "seconds", published_at: "such as 2026-05-01", available_from: "such as 2026-05-01", available_until: "such as 2026-05-01" };

let chosen = []; // {column, how, value}, in the order in which they were added

// As the service takes them; undefined where nothing is filtered.
export function asFilters() {
  const filters = {};
  for (const { column, how, value } of chosen) {
    const condition = (filters[column] ??= {});
    if (how === "any" || how === "not") (condition[how] ??= []).push(value);
    else condition[how] = Number.isFinite(Number(value)) ? Number(value) : value;
  }
  return chosen.length ? filters : undefined;
}

export function offerFilters(columns) {
  const words = (column) => column.replaceAll("_", " ");
  $("filter-column").replaceChildren(...columns.map((column) => make("option", { value: column }, words(column))));
  $("filter-open").hidden = !columns.length;
}

function suggest() {
  const column = $("filter-column").value;
  const values = known().flatMap((video) => video[column] ?? []).map((value) => value?.label ?? value);
  $("filter-values").replaceChildren(...[...new Set(values)].slice(0, 50).map((value) => make("option", { value })));
  $("filter-value").placeholder = UNITS[column] ?? "a value";
}

function draw() {
  $("filters").replaceChildren(...chosen.map((one) => make("li", {},
    make("span", { dir: "auto" }, `${one.column.replaceAll("_", " ")} ${HOW[one.how]} \u2068${one.value}\u2069`),
    make("button", { type: "button", class: "undo", "aria-label": `Remove the filter ${one.column} ${HOW[one.how]} ${one.value}`, onclick: () => change(chosen.filter((other) => other !== one)) }, "Remove"))));
}

function change(filters) {
  chosen = filters;
  draw();
  document.dispatchEvent(new CustomEvent("filtered"));
}

$("filter-open").addEventListener("click", () => {
  const opens = $("filter-form").hidden;
  $("filter-form").hidden = !opens;
  $("filter-open").setAttribute("aria-expanded", String(opens));
  if (opens) {
    suggest();
    $("filter-column").focus();
  }
});
$("filter-column").addEventListener("change", suggest);
$("filter-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = $("filter-value").value.trim();
  if (!value) return;
  $("filter-value").value = "";
  change([...chosen, { column: $("filter-column").value, how: $("filter-how").value, value }]);
});
