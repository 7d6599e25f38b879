// More about one place of a slate: why the video is there, and less of it.

import { tell } from "/page/feedback.js";
import { make } from "/page/page.js";
import { $ } from "/page/token.js";
import { detailsOf } from "/page/videos.js";

// Reason codes of docs/explanation/policy.md, in words.
const RULES = {
  ranker: "the ranker",
  explore: "exploration: the place was drawn",
  boost: "a boost",
  decay: "fewer of one creator",
  calibration: "the mix that this person watches",
  mmr: "diversity (MMR)",
  dpp: "diversity (DPP)",
  fresh: "places for new videos",
  limit: "a limit per creator or column",
  pin: "a pin",
  series: "the order of its series",
  fatigue: "being passed over often",
  same_content: "what shows the same",
};

const named = (rule) => RULES[rule] ?? rule.replaceAll("_", " ");

// In sentences: `explained` is what the service says of one place; undefined where nothing was asked.
export function stepsOf(explained) {
  if (!explained) return [];
  const was = explained.was === null ? "It was not among the best by retrieval." : `Place ${explained.was} by retrieval, place ${explained.place} in this slate.`;
  return [was, ...explained.moved.map(({ rule, from, to }) =>
    from === null ? `Put at place ${to} by ${named(rule)}.` : `${to < from ? "Up" : "Down"} from ${from} to ${to} by ${named(rule)}.`)];
}

export async function openMore(user, video, explained) {
  $("more-title").textContent = video.title;
  $("more-why").replaceChildren(...[video.reason, ...stepsOf(explained)].filter(Boolean).map((text) => make("li", { dir: "auto" }, text)));
  $("more-less").replaceChildren(less(user, "Not this video", { video_id: video.video_id }, video.title));
  $("more").showModal();
  const { creator_id: creator, labels } = await detailsOf(video.video_id);
  if ($("more-title").textContent !== video.title) return; // somebody looks at another one by now
  if (creator) $("more-less").append(less(user, `Nothing from \u2068${creator}\u2069`, { creator_id: creator }, creator));
  const about = [...new Set((labels ?? []).map((one) => one.label))].slice(0, 6);
  $("more-less").append(...about.map((label) => less(user, `Nothing about \u2068${label}\u2069`, { label }, label)));
}

function less(user, text, subject, name) {
  const button = make("button", { type: "button", class: "quiet", title: name, onclick: () => { $("more").close(); tell(user, "not_interested", subject, name); } }, text);
  return make("li", {}, button);
}

$("more-close").addEventListener("click", () => $("more").close());
