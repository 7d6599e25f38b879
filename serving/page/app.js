// The page of the service: a slate, why each video is there, and buttons that change the next one.
// Titles and reasons come from strangers: text goes in as text (textContent), never as HTML.

import { $, loadPicture, send, sentence, signIn, token } from "/page/token.js";

const SLATE = 12;

const ICONS = {
  watch: "M8 5.5v13l10.5-6.5z",
  like: "M12 20s-7.5-4.6-7.5-10A4.2 4.2 0 0 1 12 7.4 4.2 4.2 0 0 1 19.5 10c0 5.4-7.5 10-7.5 10z",
  skip: "M6 6v12l8-6zM18 6v12",
  view: "M5 12.5l4.5 4.5L19 7.5",
  similar: "M4 5h7v6H4zM13 13h7v6h-7zM13 5h7v6h-7zM4 13h7v6H4z",
  because: "M12 3l1.9 5.6L19.5 10l-5.6 1.9L12 17.5l-1.9-5.6L4.5 10l5.6-1.4z",
};

const state = {
  user: "",
  view: { kind: "slate" }, // or {kind: "search", query} or {kind: "similar", video}
  shown: new Set(), // ids of the previous slate, to mark what is new
  details: new Map(), // by video id
  asked: 0, // answers of older questions are dropped
};

// ---- talking to the service ----

async function ask(path, body) {
  const carried = token();
  const answer = await send(path, body);
  const content = await answer.json().catch(() => ({}));
  if (answer.status === 401 && (await signIn(content, carried))) return ask(path, body);
  if (!answer.ok) throw content;
  return content;
}

// A link carries no token: what it leads to is fetched and shown here.
async function readHere(event) {
  if (!token()) return;
  event.preventDefault();
  const answer = await send(event.currentTarget.getAttribute("href")).catch(complain);
  if (!answer) return;
  const text = await answer.text();
  const json = answer.headers.get("content-type")?.includes("json");
  $("paper-text").textContent = json ? JSON.stringify(JSON.parse(text), null, 2) : text;
  $("paper").showModal();
}

// Ids may hold slashes, spaces, anything; a browser resolves "." and ".." in a path, however encoded.
const addressOf = (folder, id) =>
  `/${folder}/${/^\.{1,2}$/.test(id) ? `?video_id=${id}` : encodeURIComponent(id)}`;

async function detailsOf(videoId) {
  if (!state.details.has(videoId)) {
    const found = await ask(addressOf("videos", videoId)).catch(() => ({}));
    state.details.set(videoId, found);
  }
  return state.details.get(videoId);
}

// ---- small builders ----

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const hueOf = (text) => [...text].reduce((hue, c) => (hue * 31 + c.codePointAt(0)) % 360, 7);

const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

function fillFrame(frame, video) {
  frame.style.setProperty("--hue", String(hueOf(video.video_id)));
  const words = video.title.trim().split(/\s+/).slice(0, 2);
  const initials = words.map((word) => [...word][0] ?? "").join("").toUpperCase();
  const picture = make("img", {
    alt: "",
    loading: "lazy",
    onerror: (event) => event.target.remove(), // the coloured frame below stays
  });
  loadPicture(picture, addressOf("thumbnails", video.video_id));
  frame.replaceChildren(make("span", { class: "initials", "aria-hidden": "true" }, initials), picture);
}

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
    onclick: () => openPlayer(video, item.moment),
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
      action("watch", "Watch", "Watch", () => openPlayer(video, item.moment)),
      action("like", "Like", "Like", () => tell(video, "like")),
      action("skip", "Skip", "Skip", () => tell(video, "skip")),
      action("similar", "", "Find videos like", () => show({ kind: "similar", video }))));
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
  slate: () => ["/recommend", { user_id: state.user, top_k: SLATE }],
  search: (view) => ["/search", { query: view.query, top_k: SLATE }],
  similar: (view) => ["/similar", { video_id: view.video.video_id, top_k: SLATE }],
};

const HEADINGS = {
  slate: () => [`For ${state.user}`, "Like or skip a video: the next slate knows."],
  search: (view) => [`“${view.query}”`, "Found by meaning and by words."],
  similar: (view) => [`Like “${view.video.title}”`, "Nearest in what is seen, heard and said."],
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
    const answer = await ask(...VIEWS[state.view.kind](state.view));
    if (question !== state.asked) return;
    const ms = performance.now() - started;
    $("notice").hidden = true;
    const draw = () => {
      const drawn = answer.slate.map((video, at) => card(video, at + 1));
      slate.replaceChildren(...drawn);
      cards.clear();
      drawn.forEach((item) => cards.set(item.dataset.id, item));
    };
    if (document.startViewTransition && !ghostly) document.startViewTransition(draw);
    else draw();
    if (!answer.slate.length) complain({ what: "Nothing to show.", next_step: "Try other words." });
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

function complain(problem) {
  const next = String(problem.next_step ?? "").split("`");
  $("notice").replaceChildren(
    make("strong", {}, sentence(problem.what ?? "That went wrong.")),
    ...next.map((part, at) => (at % 2 ? make("code", {}, part) : part)));
  $("notice").hidden = false;
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

const inWords = (s) => (s < 120 ? `${Math.round(s)} s` : s < 7200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`);

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

// ---- feedback ----

const DONE = { like: "Liked", skip: "Skipped", view: "Watched" };

async function tell(video, event, more = {}) {
  const told = document.querySelector(`[data-id="${CSS.escape(video.video_id)}"]`);
  told?.classList.add("leaving");
  const events = [{ user_id: state.user, video_id: video.video_id, event, ...more }];
  try {
    const receipt = await ask("/feedback", { events });
    if (receipt.rejected) throw { what: `Not taken: ${receipt.reasons[0].expected}` };
    $("memory").prepend(make("li", { class: event, title: video.title },
      icon(event), make("span", {}, `${DONE[event]} ${video.title}`)));
    while ($("memory").children.length > 8) $("memory").lastChild.remove();
    say(`${DONE[event]} “${video.title}”. The slate follows.`);
    if (state.view.kind === "slate") await refresh();
  } catch (problem) {
    complain(problem);
  }
  told?.classList.remove("leaving");
}

let hush;
function say(text) {
  $("said").textContent = text;
  $("said").classList.add("shown");
  clearTimeout(hush);
  hush = setTimeout(() => $("said").classList.remove("shown"), 2600);
}

// ---- the player: no media is in a release, so it shows the frame and asks how far one watched;
// from a search it opens at the moment that was found ----

let playing = { video: null, details: {} };

async function openPlayer(video, start) {
  const details = await detailsOf(video.video_id);
  playing = { video, details };
  fillFrame($("player-frame"), video);
  $("player-title").textContent = video.title;
  $("player-about").textContent = [details.category, details.creator_id,
    details.duration_s > 0 && clock(details.duration_s)].filter(Boolean).join(" · ");
  const about = details.description ?? details.summary ?? "";
  $("player-text").textContent = about === video.title ? "" : about;
  const labels = (details.labels ?? []).map((one) => make("li", { title: one.evidence }, one.label));
  const tags = [...(details.tags ?? []), ...(details.free_tags ?? [])];
  $("player-tags").replaceChildren(...labels, ...tags.map((tag) => make("li", {}, tag)));
  $("player-moments").replaceChildren(...(details.moments ?? []).map(momentOf));
  if (start !== undefined) jumpTo(start); // 0 is a moment, too
  else $("progress").value = 100;
  showProgress();
  $("player").showModal();
}

const momentOf = ({ start_s: start, end_s: end, shows, reads, says }) =>
  make("li", {}, make("button", {
    type: "button",
    class: "quiet",
    title: `${clock(start)} to ${clock(end)}`,
    onclick: () => { jumpTo(start); showProgress(); },
  }, `${clock(start)} ${shows[0] ?? `“${reads || says}”`}`));

function jumpTo(seconds) {
  const length = playing.details.duration_s;
  $("progress").value = length > 0 ? Math.min(100, (100 * seconds) / length) : 0;
}

function showProgress() {
  const share = $("progress").value / 100;
  const seconds = Math.max(playing.details.duration_s ?? 0, 0);
  $("progress-value").textContent = seconds
    ? `${clock(share * seconds)} of ${clock(seconds)}`
    : `${Math.round($("progress").value)}%`;
}

function countView() {
  const { video, details } = playing;
  const share = $("progress").value / 100;
  const more = details.duration_s > 0 ? { watch_s: share * details.duration_s } : {};
  $("player").close();
  tell(video, "view", more);
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

// ---- theme ----

function paint(theme) {
  document.documentElement.dataset.theme = theme;
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
$("progress").addEventListener("input", showProgress);
$("player-close").addEventListener("click", () => $("player").close());
$("player-done").addEventListener("click", countView);
$("metrics").addEventListener("click", readHere);
$("paper-close").addEventListener("click", () => $("paper").close());
$("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("kinoloop.theme", theme);
  paint(theme);
});

paint(localStorage.getItem("kinoloop.theme")
  ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
examples = (await ask("/about").catch(() => ({}))).example_users ?? [];
watchAs(new URLSearchParams(location.search).get("user") ?? recent()[0] ?? examples[0] ?? "visitor");
