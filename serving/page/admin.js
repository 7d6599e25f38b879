// The operator's view: figures of /admin/overview, drawn; asked again while somebody looks.

import { key, percent, quality, shares, standing } from "/page/charts.js";
import { ask, complain, inWords, make, readHere, withCode } from "/page/page.js";
import { $, sentence } from "/page/token.js";

const EVERY_MS = 15000;

const number = (value) => value.toLocaleString("en");
const ms = (value) => (value === null ? "–" : value < 10 ? `${value.toFixed(1)} ms` : value < 1000 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(1)} s`);
const seconds = (value) => (value === null ? "–" : inWords(value));
const when = (moment) => new Date(moment).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });

// ---- small parts ----

const nothing = (why) => make("p", { class: "nothing" }, ...withCode(sentence(why)));

function panel(title, about, ...content) {
  return make("section", { class: "panel", "aria-label": title },
    make("h2", {}, title), make("p", { class: "muted" }, ...withCode(about)), ...content);
}

const wide = (made) => { made.classList.add("wide"); return made; };

// Columns are [heading, cell, class]; a cell makes text or an element of a row.
function table(label, columns, rows) {
  const head = columns.map(([name, , kind]) => make("th", { scope: "col", ...(kind && { class: kind }) }, name));
  const body = rows.map((row) => make("tr", {}, ...columns.map(([, cell, kind, bad]) =>
    make("td", { class: [kind ?? "", bad?.(row) ? "bad" : ""].join(" ").trim() }, cell(row)))));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
}

function counts(title, by) {
  const names = Object.keys(by);
  if (!names.length) return [];
  return [make("h3", {}, title), make("ul", { class: "tags counts" }, ...names.map((name) =>
    make("li", {}, `${name.replaceAll("_", " ")} `, make("b", {}, number(by[name])))))];
}

const badge = (text, kind) => make("span", { class: `verdict ${kind}` }, text);
const moment = (at) => make("time", { datetime: at, title: at }, when(at));

// ---- panels ----

function headlines({ at, serving, traffic, uploads }) {
  const ago = (then) => (then ? `${inWords((new Date(at) - new Date(then)) / 1000)} ago` : "unknown");
  const { release } = serving;
  const asked = traffic.routes.reduce((sum, one) => sum + one.requests, 0);
  const failed = traffic.routes.reduce((sum, one) => sum + one.failed, 0);
  const slate = traffic.routes.find((one) => one.route === "/recommend");
  const tiles = release
    ? [
        ["In service", `Version ${release.model_version}`, `${release.kind}, ${number(release.users)} users`],
        ["Trained until", ago(release.trained_until), release.trained_until ? when(release.trained_until) : "the release does not say"],
        ["Catalogue", release.catalogue_number ? `Number ${release.catalogue_number}` : "As trained", `made ${ago(release.created_at)}`],
        ["Videos", number(release.videos), serving.overruled ? `${number(serving.overruled)} with times by operators` : `newest published ${ago(serving.newest_published_at)}`],
      ]
    : [["In service", "Nothing", serving.waiting ?? ""]];
  tiles.push(
    ["Upload to first slate", seconds(uploads.p50_s), uploads.p95_s === null ? "no upload was shown yet" : `95 % within ${seconds(uploads.p95_s)}`],
    ["Slates, half within", ms(slate?.p50_ms ?? null), slate ? `99 % within ${ms(slate.p99_ms)}` : "none was asked for yet"],
    ["Answers that failed", asked ? percent(failed / asked) : "–", `${number(failed)} of ${number(asked)} requests`],
    ["Workers ready", number(serving.ready_workers), serving.newest_landed_at ? `last video landed ${ago(serving.newest_landed_at)}` : "no video landed since the training"]);
  return tiles.map(([name, value, more]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value, make("small", {}, more))));
}

const STATIONS = { ingest: "Ingested", extract: "Content understood", publish: "In a catalogue", first_slate: "In a first slate" };

function uploadsPanel({ uploads }) {
  const { newest_s: newest, bars, stations } = uploads;
  const drawn = newest.length
    ? [standing(bars)]
    : [nothing(uploads.unknown_because ?? "No video that came after the training was in a slate yet. A clip that is uploaded below, or a file in the landing zone, starts the way.")];
  if (stations.length) {
    drawn.push(make("h3", {}, "From landing to each station, since the workers started"), table("Stations of uploads", [
      ["Station", (row) => STATIONS[row.until] ?? row.until],
      ["Uploads", (row) => number(row.uploads), "number"],
      ["Half within", (row) => seconds(row.p50_s), "number"],
      ["95 % within", (row) => seconds(row.p95_s), "number"],
    ], stations));
  }
  const about = newest.length ? `The newest ${newest.length === 1 ? "upload" : `${newest.length} uploads`}: half within ${seconds(uploads.p50_s)}, 95 % within ${seconds(uploads.p95_s)}.` : "From the landing of a video to its first slate.";
  return panel("Upload to impression", about, ...drawn);
}

function qualityPanel({ quality: told }) {
  const drawn = told.points.length
    ? [quality(told.points), key(["bar", "champion"], ...(told.points.some((p) => p.challenger) ? [["ring", "a challenger that was refused"]] : []))]
    : [nothing(told.unknown_because)];
  return panel("Quality over time", "NDCG@10 of the champion at each decision, on the newest users and what they did next.", ...drawn);
}

function trafficPanel({ traffic }) {
  const drawn = traffic.routes.length
    ? [table("Errors and latency by route", [
        ["Route", (row) => row.route],
        ["Requests", (row) => number(row.requests), "number"],
        ["Refused (4xx)", (row) => number(row.refused), "number"],
        ["Failed (5xx)", (row) => number(row.failed), "number", (row) => row.failed > 0],
        ["Half within", (row) => ms(row.p50_ms), "number"],
        ["95 %", (row) => ms(row.p95_ms), "number"],
        ["99 %", (row) => ms(row.p99_ms), "number"],
      ], traffic.routes)]
    : [nothing("Nothing was asked yet.")];
  return wide(panel("Errors and latency", "All workers, since they were started; probes are left out.", ...drawn,
    ...counts("Cut off before a handler saw them", traffic.cut_off),
    ...counts("Feedback events", { ...traffic.feedback, ...(traffic.outbox_pending && { waiting_for_export: traffic.outbox_pending }) }),
    ...counts("Places shown", traffic.impressions),
    ...counts("Releases", traffic.swaps)));
}

const OUTCOMES = { promoted: "good", refused: "bad", "rolled back": "" };

function decision(one) {
  const about = [];
  if (one.outcome === "rolled back") about.push(`Version ${one.version} serves again; version ${one.champion ?? "unknown"} left.`);
  if (one.way === "first") about.push("The first release.");
  if (one.way === "fresher") about.push("Fresher, and not worse.");
  if (one.gain) {
    const { mean, low, high, users, confidence } = one.gain;
    const sign = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
    about.push(`NDCG@10 ${sign(mean)} [${sign(low)}, ${sign(high)}] against version ${one.champion}, ${(100 * confidence).toFixed(0)} % interval over ${number(users)} users.`);
  }
  const reasons = [...one.refusals, ...one.notes];
  return make("li", {},
    make("div", { class: "head" }, badge(one.outcome, OUTCOMES[one.outcome] ?? ""),
      make("strong", {}, `Version ${one.version}`), make("span", { class: "muted" }, one.name), moment(one.at)),
    ...(about.length ? [make("p", {}, about.join(" "))] : []),
    ...(reasons.length ? [make("ul", {}, ...reasons.map((text) => make("li", {}, ...withCode(text))))] : []));
}

const scrolling = (label, list) => {
  for (const [name, value] of Object.entries({ tabindex: "0", "aria-label": label })) list.setAttribute(name, value);
  return list;
};

function decisionsPanel({ decisions: told }) {
  return panel("Decisions", "Who became champion, who was refused, and why.", told.decisions.length
    ? scrolling("Decisions", make("ul", { class: "events tall" }, ...told.decisions.map(decision)))
    : nothing(told.unknown_because));
}

function driftPanel({ drift }) {
  const [latest, ...older] = drift.reports;
  const about = "Whether today still looks like what the champion was trained on.";
  if (!latest) return panel("Drift", about, nothing(drift.unknown_because));
  const fired = latest.tests.filter((one) => one.outcome === "fired");
  const near = latest.tests.filter((one) => one.value !== null && one.outcome !== "fired")
    .sort((a, b) => b.value / b.threshold - a.value / a.threshold).slice(0, Math.max(2, 6 - fired.length));
  const row = (one) => ({
    name: one.title, of: one.value / one.threshold, mark: 1, good: one.outcome !== "fired",
    value: `${one.value.toPrecision(2)} ${one.effect}`, title: one.said,
  });
  const made = panel("Drift", about,
    make("ul", { class: "events" }, make("li", {},
      make("div", { class: "head" }, badge(latest.fired ? "drift" : "no drift", latest.fired ? "bad" : "good"),
        make("span", { class: "muted" }, latest.version), moment(latest.created)),
      make("p", {}, `${latest.verdict} ${latest.action}`),
      ...(fired.length ? [make("ul", {}, ...fired.map((one) => make("li", {}, `${one.title}: ${one.said}`)))] : []))),
    ...(fired.length + near.length ? [shares([...fired.filter((one) => one.value !== null), ...near].map(row)), key(["mark", "where a test fires"])] : []),
    ...(older.length ? [make("h3", {}, "Before"), scrolling("Looks for drift before", make("ul", { class: "events tall" }, ...older.map((one) => make("li", {},
      make("div", { class: "head" }, badge(one.fired ? "drift" : "no drift", one.fired ? "bad" : ""), make("span", { class: "muted" }, one.version), moment(one.created))))))] : []));
  made.classList.add("drift");
  return made;
}

const exposed = (one) => ({
  name: one.name, of: one.share, mark: one.of_catalogue, value: percent(one.share),
  title: `${number(one.places)} places; ${percent(one.of_catalogue)} of the catalogue`,
});

function exposurePanels({ exposure }) {
  const range = exposure.places
    ? `The newest ${number(exposure.places)} places that were shown, ${when(exposure.since)} to ${when(exposure.until)}.`
    : "What was shown, from the impressions.";
  const drawn = (rows) => (rows.length ? [shares(rows.map(exposed)), key(["bar", "share of what was shown"], ["mark", "share of the catalogue"])] : [nothing(exposure.unknown_because ?? "No video names one.")]);
  return [
    panel("Exposure by age of the video", range, ...drawn(exposure.ages)),
    panel("Exposure by creator", exposure.places ? `${number(exposure.videos)} videos of ${number(exposure.creators_shown)} creators were shown.` : range, ...drawn(exposure.creators)),
  ];
}

const FROM = 0.9; // of recall: what matters lies above

function recallPanel({ recall }) {
  const indexes = [...new Set(recall.points.map((one) => one.index))];
  const row = (one) => ({
    name: `${percent(one.passes)} pass`, of: Math.max(0, one.recall - FROM), mark: 0.99 - FROM, value: one.recall.toFixed(4), good: one.recall >= 0.99,
    title: one.lists ? `${number(one.lists)} lists are searched` : "what passes is scored in full",
  });
  const at = recall.top_k ? ` ${recall.top_k}` : "";
  return wide(panel("Recall by selectivity", `How many of the exact best${at} an index finds, by the share of videos that passes a filter.`,
    ...(indexes.length
      ? [make("div", { class: "beside" }, ...indexes.map((index) => make("div", {}, make("h3", {}, `/${index}`),
          shares(recall.points.filter((one) => one.index === index).map(row))))), key(["mark", `the aim, 0.99; bars begin at ${FROM}`])]
      : [nothing(recall.unknown_because)])));
}

// ---- looking ----

let asked = 0;
async function look() {
  const question = ++asked;
  $("panels").setAttribute("aria-busy", "true");
  try {
    const told = await ask("/admin/overview");
    if (question !== asked) return;
    $("notice").hidden = true;
    const scrolled = [...document.querySelectorAll(".tall")].map((list) => list.scrollTop);
    $("headlines").replaceChildren(...headlines(told));
    $("panels").replaceChildren(
      uploadsPanel(told), qualityPanel(told), decisionsPanel(told), driftPanel(told),
      ...exposurePanels(told), trafficPanel(told), recallPanel(told));
    document.querySelectorAll(".tall").forEach((list, at) => { list.scrollTop = scrolled[at] ?? 0; });
    $("as-of").textContent = `As of ${new Date(told.at).toLocaleTimeString("en")}`;
  } catch (problem) {
    if (question === asked) complain(problem);
  } finally {
    if (question === asked) $("panels").setAttribute("aria-busy", "false");
  }
}

$("again").addEventListener("click", look);
$("raw").addEventListener("click", readHere);
setInterval(() => {
  const reading = $("panels").contains(document.activeElement) || document.querySelector("dialog[open]");
  if (document.visibilityState === "visible" && !reading && $("notice").hidden) look();
}, EVERY_MS);
await look();
