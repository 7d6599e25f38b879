// What somebody does with a video, and taking it back; the next slate knows either.

import { ask, complain, make, quoted } from "/page/page.js";
import { $ } from "/page/token.js";
import { icon } from "/page/videos.js";

const MOST = 8; // of what was done, shown

const DONE = { like: "Liked", skip: "Skipped", view: "Watched", not_interested: "Less of" };
const TAKEN_BACK = { like: "Not liked any more", skip: "Not skipped any more", view: "Not watched", not_interested: "Back" };

// Where the answer that is shown came from: training joins what is done with what was shown.
let shown = { request_id: undefined, places: new Map() };

export function showing(answer) {
  shown = {
    request_id: answer.request_id,
    places: new Map(answer.slate.map((video, at) => [video.video_id, at])),
  };
}

const fromAnswer = (videoId) =>
  shown.places.has(videoId) ? { request_id: shown.request_id, position: shown.places.get(videoId) } : {};

export const device = () => (matchMedia("(max-width: 620px)").matches ? "phone" : "desktop");

async function send(event) {
  const receipt = await ask("/feedback", { events: [{ ...event, device: device() }] });
  if (receipt.rejected) throw { what: `Not taken: ${receipt.reasons[0].expected}` };
}

// `subject` is what the event is about: a video (`video_id`), a creator (`creator_id`) or a label.
export async function tell(user, event, subject, name, more = {}) {
  const card = subject.video_id && document.querySelector(`[data-id="${CSS.escape(subject.video_id)}"]`);
  if (card) card.classList.add("leaving");
  try {
    await send({ user_id: user, event, ...subject, ...fromAnswer(subject.video_id), ...more });
    remember(user, event, subject, name);
    say(`${DONE[event]} ${quoted(name)}. The slate follows.`);
    document.dispatchEvent(new CustomEvent("told"));
  } catch (problem) {
    complain(problem);
    if (card) card.classList.remove("leaving");
  }
}

function remember(user, event, subject, name) {
  const item = make("li", { class: event, title: name },
    icon(event), make("span", {}, `${DONE[event]} \u2068${name}\u2069`),
    make("button", { type: "button", class: "undo", "aria-label": `Undo: ${DONE[event]} ${name}`, onclick: () => undo(user, event, subject, name, item) }, "Undo"));
  $("memory").prepend(item);
  while ($("memory").children.length > MOST) $("memory").lastChild.remove();
}

async function undo(user, event, subject, name, item) {
  try {
    await send({ user_id: user, event: "undo", undoes: event, ...subject });
  } catch (problem) {
    complain(problem);
    return;
  }
  const next = item.nextElementSibling ?? item.previousElementSibling;
  item.remove();
  (next?.querySelector(".undo") ?? $("heading")).focus(); // the button that had it is gone
  say(`${TAKEN_BACK[event]}: ${quoted(name)}. The slate follows.`);
  document.dispatchEvent(new CustomEvent("told"));
}

let hush;
export function say(text) {
  $("said").textContent = text;
  $("said").classList.add("shown");
  clearTimeout(hush);
  hush = setTimeout(() => $("said").classList.remove("shown"), 2600);
}
