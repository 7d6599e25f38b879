// Upload of a clip, in pieces: a request has 15 seconds, and a film takes longer.

import { ask, quoted, withCode } from "/page/page.js";
import { $, sentence } from "/page/token.js";

const PIECE_BYTES = 4 * 2 ** 20;

const name = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

async function upload(file, row) {
  const path = `/admin/uploads/${name()}`;
  for (let offset = 0; offset < file.size; offset += PIECE_BYTES) {
    const { received } = await ask(`${path}?offset=${offset}`, file.slice(offset, offset + PIECE_BYTES), "PUT");
    $("upload-progress").value = received / file.size;
  }
  return ask(path, row);
}

const said = (id) => $(id).value.trim() || null;

$("upload-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const tags = $("upload-tags").value.split(",").map((tag) => tag.trim()).filter(Boolean);
  const row = { title: $("upload-name").value, creator_id: said("upload-creator"), category: said("upload-category"), tags: tags.length ? tags : null };
  $("upload-send").disabled = true;
  $("upload-progress").hidden = false;
  $("upload-progress").value = 0;
  $("upload-said").textContent = "";
  try {
    const landed = await upload($("upload-file").files[0], row);
    $("upload-said").textContent = `${quoted(row.title)} has landed as ${landed.video_id}. Its way to the first slate shows above.`;
    $("upload-form").reset();
  } catch (problem) {
    $("upload-said").replaceChildren(`${sentence(problem.what ?? "that went wrong")}. `, ...withCode(problem.next_step));
  } finally {
    $("upload-send").disabled = false;
    $("upload-progress").hidden = true;
  }
});
