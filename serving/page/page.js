// What the pages share: asking the service, small builders, telling what went wrong, and the theme.
// Names and titles come from strangers: text goes in as text (textContent), never as HTML.

import { $, send, sentence, signIn, signOut, token } from "/page/token.js";

export async function ask(path, body, method) {
  const carried = token();
  const answer = await send(path, body, method);
  const content = await answer.json().catch(() => ({}));
  if (answer.status === 401 && (await signIn(content, carried))) return ask(path, body, method);
  if (!answer.ok) throw content;
  return content;
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// In a sentence, a text keeps its own direction to itself (Unicode isolates).
export const quoted = (text) => `“\u2068${text}\u2069”`;

export const clock = (seconds) =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

export const inWords = (s) =>
  s < 120 ? `${Math.round(s)} s` : s < 7200 ? `${Math.round(s / 60)} min` : s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;

// Words between backticks are what somebody types.
export const withCode = (text) =>
  String(text ?? "").split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part));

const OF_TOKENS = { no_token: "Sign in", bad_token: "Sign in", not_an_operator: "Sign in", wrong_scope: "Use another token" };

export function complain(problem) {
  const way = OF_TOKENS[problem.error];
  $("notice").replaceChildren(
    make("strong", {}, sentence(problem.what ?? "That went wrong.")), ...withCode(problem.next_step),
    ...(way ? [make("button", { type: "button", class: "quiet", onclick: signOut }, way)] : []));
  $("notice").hidden = false;
}

// ---- what a link leads to; it carries no token, so that is fetched and shown here ----

export async function readHere(event) {
  if (!token()) return;
  event.preventDefault();
  const answer = await send(event.currentTarget.getAttribute("href")).catch(complain);
  if (!answer) return;
  const text = await answer.text();
  const json = answer.headers.get("content-type")?.includes("json");
  $("paper-text").textContent = json ? JSON.stringify(JSON.parse(text), null, 2) : text;
  $("paper").showModal();
}

$("paper-close").addEventListener("click", () => $("paper").close());
$("metrics").addEventListener("click", readHere);

// ---- theme ----

function paint(theme) {
  document.documentElement.dataset.theme = theme;
}

$("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "light" ? "dark" : "light";
  localStorage.setItem("kinoloop.theme", theme);
  paint(theme);
});

paint(localStorage.getItem("kinoloop.theme")
  ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
