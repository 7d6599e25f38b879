// What is known of videos, and how one is drawn: details, pictures, icons.

import { ask, make } from "/page/page.js";
import { loadPicture } from "/page/token.js";

const ICONS = {
  watch: "M8 5.5v13l10.5-6.5z",
  like: "M12 20s-7.5-4.6-7.5-10A4.2 4.2 0 0 1 12 7.4 4.2 4.2 0 0 1 19.5 10c0 5.4-7.5 10-7.5 10z",
  skip: "M6 6v12l8-6zM18 6v12",
  view: "M5 12.5l4.5 4.5L19 7.5",
  similar: "M4 5h7v6H4zM13 13h7v6h-7zM13 5h7v6h-7zM4 13h7v6H4z",
  because: "M12 3l1.9 5.6L19.5 10l-5.6 1.9L12 17.5l-1.9-5.6L4.5 10l5.6-1.4z",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  less: "M5 5l14 14M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z",
  not_interested: "M5 5l14 14M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// Ids may hold slashes, spaces, anything; a browser resolves "." and ".." in a path, however encoded.
export const addressOf = (folder, id) =>
  `/${folder}/${/^\.{1,2}$/.test(id) ? `?video_id=${id}` : encodeURIComponent(id)}`;

const details = new Map(); // by video id

export async function detailsOf(videoId) {
  if (!details.has(videoId)) {
    details.set(videoId, await ask(addressOf("videos", videoId)).catch(() => ({})));
  }
  return details.get(videoId);
}

export const known = () => [...details.values()];

const hueOf = (text) => [...text].reduce((hue, c) => (hue * 31 + c.codePointAt(0)) % 360, 7);

export function fillFrame(frame, video) {
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
