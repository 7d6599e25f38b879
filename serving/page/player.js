// The player. It plays the clip where the service can reach it, and counts what was really watched;
// elsewhere it shows the frame and asks how far one watched. From a search it opens at the moment
// that was found.

import { tell } from "/page/feedback.js";
import { clock, make, quoted } from "/page/page.js";
import { $, send, token } from "/page/token.js";
import { addressOf, detailsOf, fillFrame } from "/page/videos.js";

const LEAST_S = 1; // shorter is no view
const AT_ONCE_BYTES = 200 * 2 ** 20; // with a token a clip is fetched whole, because an address carries none

let clips = false; // whether the service has any
export function offerClips(has) { clips = has; }

let playing = null; // {user, video, details, clip, watched_s, at_s, done}

export async function openPlayer(user, video, start) {
  const details = await detailsOf(video.video_id);
  const mine = (playing = { user, video, details, clip: null, watched_s: 0, at_s: null, done: false });
  fillFrame($("player-frame"), video);
  $("player-title").textContent = video.title;
  $("player-about").textContent = [details.category, details.creator_id,
    details.duration_s > 0 && clock(details.duration_s)].filter(Boolean).map((text) => `\u2068${text}\u2069`).join(" · ");
  const about = details.description ?? details.summary ?? "";
  $("player-text").textContent = about === video.title ? "" : about;
  const labels = (details.labels ?? []).map((one) => make("li", { title: one.evidence }, one.label));
  const tags = [...(details.tags ?? []), ...(details.free_tags ?? [])];
  $("player-tags").replaceChildren(...labels, ...tags.map((tag) => make("li", {}, tag)));
  $("player-moments").replaceChildren(...(details.moments ?? []).map(momentOf));
  $("progress-row").hidden = false;
  $("player-done").hidden = false;
  if (start !== undefined) jumpTo(start); // 0 is a moment, too
  else $("progress").value = 100;
  showProgress();
  $("player").showModal();
  if (clips) await loadClip(mine, start);
}

async function loadClip(mine, start) {
  const address = addressOf("clips", mine.video.video_id);
  let source = address;
  if (token()) {
    const answer = await send(address).catch(() => null);
    if (!answer?.ok || Number(answer.headers.get("content-length")) > AT_ONCE_BYTES) return;
    source = URL.createObjectURL(await answer.blob());
  }
  if (playing !== mine || !$("player").open) return;
  const clip = make("video", { controls: "", playsinline: "", preload: "metadata", "aria-label": mine.video.title });
  clip.addEventListener("loadedmetadata", () => {
    if (playing !== mine) return;
    mine.clip = clip;
    $("progress-row").hidden = true; // what was watched is seen, not said
    $("player-done").hidden = true;
    if (start) clip.currentTime = start;
    clip.play().catch(() => {}); // a browser may want a click first
  });
  clip.addEventListener("timeupdate", () => {
    const passed = clip.currentTime - (mine.at_s ?? clip.currentTime);
    if (passed > 0 && passed < 2) mine.watched_s += passed; // a jump is not watched
    mine.at_s = clip.currentTime;
  });
  clip.addEventListener("error", () => clip.remove()); // the frame below stays
  clip.src = source;
  $("player-frame").append(clip);
}

const momentOf = ({ start_s: start, end_s: end, shows, reads, says }) =>
  make("li", {}, make("button", {
    type: "button",
    class: "quiet",
    title: `${clock(start)} to ${clock(end)}`,
    onclick: () => { jumpTo(start); showProgress(); },
  }, `${clock(start)} ${shows[0] ?? quoted(reads || says)}`));

function jumpTo(seconds) {
  if (playing.clip) {
    playing.clip.currentTime = seconds;
    playing.clip.play().catch(() => {});
  }
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

function countView(watched_s) {
  const { user, video } = playing;
  playing.done = true;
  tell(user, "view", { video_id: video.video_id }, video.title, watched_s === undefined ? {} : { watch_s: watched_s });
}

$("progress").addEventListener("input", showProgress);
$("player-close").addEventListener("click", () => $("player").close());
$("player-done").addEventListener("click", () => {
  const length = playing.details.duration_s;
  const said = length > 0 ? (length * $("progress").value) / 100 : undefined;
  $("player").close();
  countView(said);
});
$("player").addEventListener("close", () => { // however: a button, Escape, the end
  const { clip, watched_s: watched, done } = playing;
  if (clip) {
    clip.pause();
    if (clip.src.startsWith("blob:")) URL.revokeObjectURL(clip.src);
    clip.remove();
    if (!done && watched >= LEAST_S) countView(Math.round(watched * 10) / 10);
  }
});
