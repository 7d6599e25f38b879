// The page of the service: a slate, why each video is there, and buttons that change the next one.
// Titles and reasons come from strangers: text goes in as text (textContent), never as HTML.

import { device, showing, tell } from "/page/feedback.js";
import { asFilters, offerFilters } from "/page/filters.js";
import { openMore } from "/page/more.js";
import { ask, clock, complain, inWords, make, quoted, readHere } from "/page/page.js";
import { offerClips, openPlayer } from "/page/player.js";
import { $ } from "/page/token.js";
import { detailsOf, fillFrame, icon } from "/page/videos.js";

const SLATE = 12;

const state = {
  user: "",
  view: { kind: "slate" }, // or {kind: "search", query} or {kind: "similar", video}
  shown: new Set(), // ids of the previous slate, to mark what is new
  explained: new Map(), // of the slate that is shown, by video id: what moved it
  asked: 0, // answers of older questions are dropped
};

// ---- cards ----

const cards = new Map(); // of the slate that is shown, by video id: a card that stays keeps its picture

function card(video, rank) {
  const item = cards.get(video.video_id) ?? newCard(video);
  item.classList.remove("leaving");
  item.querySelector(".rank").textContent = rank;
  item.querySelector(".why span").textContent = video.reason;
  item.querySelector(".moment").hidden = video.start_s === undefined;
  item.querySelector(".moment").textContent = `from ${clock(video.start_s ?? 0)}`;
  item.moment = video.start_s;
  item.reason = video.reason;
  const slate = state.view.kind === "slate";
  item.querySelector(".fresh").hidden =
    !slate || !state.shown.size || state.shown.has(video.video_id);
  return item;
}

function newCard(video) {
  const frame = make("button", {
    type: "button",
    class: "frame",
    "aria-label": `Watch ${video.title}`,
    onclick: () => openPlayer(state.user, video, item.moment),
  });
  fillFrame(frame, video);
  frame.append(
    make("span", { class: "badge rank", "aria-hidden": "true" }),
    make("span", { class: "badge moment", hidden: true }),
    make("span", { class: "badge fresh" }, "New"),
    make("span", { class: "play" }, icon("watch")));
  const about = make("div", { class: "chips" });
  detailsOf(video.video_id).then(({ duration_s: length, labels }) => {
    if (length > 0) frame.append(make("span", { class: "badge length" }, clock(length)));
    about.append(...surest(labels).map(chip));
  });
  const action = (name, label, spoken, act) =>
    make("button", { type: "button", class: name, "aria-label": `${spoken}: ${video.title}`, title: spoken, onclick: act },
      icon(name), label);
  const item = make("li", { class: "card", "data-id": video.video_id },
    frame,
    make("h3", { title: video.title, dir: "auto" }, video.title),
    about,
    make("p", { class: "why" }, icon("because"), make("span", { dir: "auto" })),
    make("div", { class: "actions" },
      action("watch", "", "Watch", () => openPlayer(state.user, video, item.moment)),
      action("like", "Like", "Like", () => react("like")),
      action("skip", "Skip", "Skip", () => react("skip")),
      action("similar", "", "Find videos like", () => show({ kind: "similar", video })),
      action("more", "", "Why, and less of", () => openMore(state.user, { ...video, reason: item.reason }, state.explained.get(video.video_id)))));
  const react = (event) => tell(state.user, event, { video_id: video.video_id }, video.title);
  item.style.viewTransitionName = `v-${hashOf(video.video_id)}`;
  return item;
}

// The surest label of each facet, three at most: what a glance can take in.
const surest = (labels) =>
  (labels ?? []).filter((one, at, all) => all.findIndex((o) => o.facet === one.facet) === at).slice(0, 3);

const chip = ({ facet, label, score, evidence }) =>
  make("button", {
    type: "button",
    class: `chip ${facet === "emotion" || facet === "style" ? facet : "topic"}`,
    title: `${facet}, ${Math.round(score * 100)}%: ${evidence}`,
    "aria-label": `Find ${facet} ${label}`,
    onclick: () => { $("query").value = label; show({ kind: "search", query: label }); },
  }, label);

const hashOf = (text) => [...text].map((c) => c.codePointAt(0).toString(36)).join("-");

function ghosts() {
  return Array.from({ length: SLATE }, () =>
    make("li", { class: "card ghost", "aria-hidden": "true" },
      make("div", { class: "frame" }), make("div", { class: "line" }), make("div", { class: "line" })));
}

// ---- the slate, a search, or similar videos ----

const VIEWS = {
  slate: () => ["/recommend", { user_id: state.user, explain: true }],
  search: (view) => ["/search", { user_id: state.user, query: view.query }],
  similar: (view) => ["/similar", { user_id: state.user, video_id: view.video.video_id }],
};

const HEADINGS = {
  slate: () => [`For ${state.user}`, "Like or skip a video: the next slate knows."],
  search: (view) => [quoted(view.query), "Found by meaning and by words."],
  similar: (view) => [`Like ${quoted(view.video.title)}`, "Nearest in what is seen, heard and said."],
};

async function show(view) {
  state.view = view;
  const [heading, subtitle] = HEADINGS[view.kind](view);
  $("heading").textContent = heading;
  $("subtitle").textContent = subtitle;
  $("back").hidden = view.kind === "slate";
  document.title = `${heading} · Kinoloop`;
  await refresh({ ghostly: true });
  if (view.kind !== "slate") $("heading").focus();
}

async function refresh({ ghostly = false } = {}) {
  const question = ++state.asked;
  const slate = $("slate");
  slate.setAttribute("aria-busy", "true");
  if (ghostly) {
    cards.clear();
    slate.replaceChildren(...ghosts());
  }
  const started = performance.now();
  try {
    const [path, body] = VIEWS[state.view.kind](state.view);
    const answer = await ask(path, { ...body, top_k: SLATE, filters: asFilters(), device: device() });
    if (question !== state.asked) return;
    const ms = performance.now() - started;
    $("notice").hidden = true;
    showing(answer);
    state.explained = new Map(answer.explained?.places.map((one) => [one.video_id, one]));
    const draw = () => {
      const drawn = answer.slate.map((video, at) => card(video, at + 1));
      slate.replaceChildren(...drawn);
      cards.clear();
      drawn.forEach((item) => cards.set(item.dataset.id, item));
    };
    if (document.startViewTransition && !ghostly) document.startViewTransition(draw);
    else draw();
    if (!answer.slate.length) complain({ what: "Nothing to show.", next_step: asFilters() ? "Take a filter away." : "Try other words." });
    if (state.view.kind === "slate") state.shown = new Set(answer.slate.map((v) => v.video_id));
    facts(answer, ms);
    uploads();
  } catch (problem) {
    if (question !== state.asked) return;
    slate.replaceChildren();
    complain(problem);
  } finally {
    if (question === state.asked) slate.setAttribute("aria-busy", "false");
  }
}

function facts(answer, ms) {
  const fact = (name, ...value) => make("div", {}, make("dt", {}, name), make("dd", {}, ...value));
  $("facts").replaceChildren(
    fact("Model version", answer.model_version),
    fact("Dataset", answer.dataset_version.slice(0, 12)),
    fact("Answered in", `${ms.toFixed(0)} ms`),
    fact("Lineage", make("a", { href: `/lineage/${encodeURIComponent(answer.request_id)}`, onclick: readHere }, "this answer")));
}

// ---- from upload to first slate: the newest time, how long most took, and a bar for each ----

async function uploads() {
  const times = (await ask("/about").catch(() => ({}))).uploads_s ?? [];
  $("uploads").hidden = !times.length;
  if (!times.length) return;
  const ordered = [...times].sort((a, b) => a - b);
  const typical = ordered[Math.floor((ordered.length - 1) / 2)];
  const longest = ordered.at(-1);
  const count = times.length === 1 ? "one upload" : `the last ${times.length} uploads`;
  $("uploads-newest").textContent = inWords(times[0]);
  $("uploads-all").textContent = `median of ${count} ${inWords(typical)}, longest ${inWords(longest)}`;
  const bars = [...times].reverse().map((seconds) => {
    const bar = make("span", { title: inWords(seconds) });
    bar.style.height = `${Math.max(8, (100 * seconds) / longest)}%`;
    return bar;
  });
  $("uploads-bars").replaceChildren(...bars);
}

// ---- who watches ----

function watchAs(user) {
  state.user = user;
  state.shown = new Set();
  $("user").value = user;
  $("memory").replaceChildren();
  const known = [user, ...recent().filter((other) => other !== user)].slice(0, 12);
  localStorage.setItem("kinoloop.users", JSON.stringify(known));
  offer(known);
  show({ kind: "slate" });
}

function recent() {
  try {
    return JSON.parse(localStorage.getItem("kinoloop.users")) ?? [];
  } catch {
    return [];
  }
}

let examples = [];
function offer(users) {
  const all = [...new Set([...users, ...examples])];
  $("users").replaceChildren(...all.map((user) => make("option", { value: user })));
}

// ---- start ----

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const query = $("query").value.trim();
  if (query) show({ kind: "search", query });
});
$("who").addEventListener("submit", (event) => {
  event.preventDefault();
  watchAs($("user").value.trim() || "visitor");
});
$("user").addEventListener("change", () => watchAs($("user").value.trim() || "visitor"));
$("user").addEventListener("focus", () => $("user").select());
$("stranger").addEventListener("click", () =>
  watchAs(`visitor-${Math.random().toString(36).slice(2, 8)}`));
$("back").addEventListener("click", () => { $("query").value = ""; show({ kind: "slate" }); });
document.addEventListener("told", async () => {
  if (state.view.kind === "slate") await refresh();
  for (const card of document.querySelectorAll(".card.leaving")) card.classList.remove("leaving");
});
document.addEventListener("filtered", () => refresh());
const about = await ask("/about").catch(() => ({}));
examples = about.example_users ?? [];
offerFilters(about.release?.filters ?? []);
offerClips(about.clips);
watchAs(new URLSearchParams(location.search).get("user") ?? recent()[0] ?? examples[0] ?? "visitor");
