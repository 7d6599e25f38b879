// Drawings of the operator's view. Each says in words what it shows; nothing is loaded for it.

import { inWords, make } from "/page/page.js";

export const percent = (share) =>
  share === 0 ? "0 %" : share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0).replace(/\.0$/, "")} %`;

// A bar for each row: {name, of, mark, value, title, good}; `of` and `mark` are shares of the longest.
export function shares(rows) {
  const longest = Math.max(...rows.flatMap((row) => [row.of, row.mark ?? 0]), Number.EPSILON);
  const width = (share) => `${Math.min(100, (100 * share) / longest)}%`;
  return make("div", { class: "shares", role: "list" }, ...rows.flatMap((row) => {
    const bar = make("i", { class: row.good ? "good" : "" });
    bar.style.width = row.of ? width(row.of) : "0";
    bar.style.minWidth = row.of ? "" : "0";
    const track = make("span", { class: "track", "aria-hidden": "true" }, bar);
    if (row.mark !== undefined) {
      const mark = make("b");
      mark.style.left = width(row.mark);
      track.append(mark);
    }
    return [
      make("span", { class: "name", dir: "auto", title: row.name, role: "listitem" }, row.name),
      track,
      make("span", { class: "value", ...(row.title && { title: row.title }) }, row.value),
    ];
  }));
}

export function key(...parts) {
  return make("p", { class: "key" }, ...parts.map(([kind, text]) =>
    make("span", {}, kind === "bar" ? make("i") : kind === "ring" ? make("i", { class: "ring" }) : make("b"), text)));
}

// Standing bars of how long uploads took.
export function standing(bars) {
  const most = Math.max(...bars.map((bar) => bar.uploads), 1);
  return make("ol", { class: "standing" }, ...bars.map((bar, at) => {
    const until = bar.up_to_s === null ? `> ${inWords(bars[at - 1].up_to_s)}` : `≤ ${inWords(bar.up_to_s)}`;
    const drawn = make("i", { class: bar.uploads ? "" : "none" });
    if (bar.uploads) drawn.style.height = `${Math.max(3, (70 * bar.uploads) / most)}%`;
    return make("li", { "aria-label": `${until}: ${bar.uploads}` },
      make("span", { "aria-hidden": "true" }, bar.uploads || ""), drawn,
      make("span", { class: "until", "aria-hidden": "true" }, until));
  }));
}

// ---- the champion's quality over time ----

const HIGH = 210, LEFT = 46, RIGHT = 14, TOP = 16, LOW = 30;

function draw(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const day = (moment) => new Date(moment).toLocaleDateString("en", { month: "short", day: "numeric" });

export function quality(points) {
  const WIDE = innerWidth < 620 ? 340 : 560; // so that its words stay readable
  const values = points.flatMap((p) => [p.ndcg, p.challenger_ndcg]).filter((v) => v !== null);
  const span = Math.max(...values) - Math.min(...values) || Math.max(...values) * 0.2 || 0.1;
  const [low, high] = [Math.max(0, Math.min(...values) - span * 0.25), Math.max(...values) + span * 0.25];
  const across = (at) => (points.length === 1 ? (LEFT + WIDE - RIGHT) / 2 : LEFT + (at * (WIDE - LEFT - RIGHT)) / (points.length - 1));
  const up = (value) => HIGH - LOW - ((value - low) * (HIGH - LOW - TOP)) / (high - low);
  const lines = [0, 1, 2, 3].map((n) => low + (n * (high - low)) / 3);
  const every = Math.ceil(points.length / (WIDE / 95));
  const last = points.at(-1);
  return draw("svg", {
    viewBox: `0 0 ${WIDE} ${HIGH}`, class: "chart", role: "img",
    "aria-label": `NDCG@10 of the champion at ${points.length} decisions, now ${last.ndcg.toFixed(4)} by version ${last.version}`,
  },
  ...lines.flatMap((value) => [
    draw("line", { class: "grid", x1: LEFT, x2: WIDE - RIGHT, y1: up(value), y2: up(value) }),
    draw("text", { x: LEFT - 8, y: up(value) + 4, "text-anchor": "end" }, value.toFixed(3)),
  ]),
  draw("polyline", { class: "line", points: points.map((p, at) => `${across(at)},${up(p.ndcg)}`).join(" ") }),
  ...points.filter((p) => p.challenger_ndcg !== null).map((p) =>
    draw("circle", { class: "refused", cx: across(points.indexOf(p)), cy: up(p.challenger_ndcg), r: 4 },
      draw("title", {}, `version ${p.challenger} was refused with ${p.challenger_ndcg.toFixed(4)}`))),
  ...points.map((p, at) =>
    draw("circle", { class: "dot", cx: across(at), cy: up(p.ndcg), r: 5 },
      draw("title", {}, `version ${p.version}: ${p.ndcg.toFixed(4)} over ${p.users} users, ${new Date(p.at).toLocaleString("en")}`))),
  ...points.flatMap((p, at) => (at % every && at !== points.length - 1 ? [] : [
    draw("text", { x: across(at), y: HIGH - 8, "text-anchor": points.length === 1 ? "middle" : at === 0 ? "start" : at === points.length - 1 ? "end" : "middle" },
      `${day(p.at)} · v${p.version}`)])),
  draw("text", { class: "last", x: across(points.length - 1), y: up(last.ndcg) - 11, "text-anchor": points.length === 1 ? "middle" : "end" }, last.ndcg.toFixed(4)));
}
