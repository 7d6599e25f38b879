// The token, where the service asks for one: kept for this tab only, and never in an address.

export const $ = (id) => document.getElementById(id);
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const KEPT = "kinoloop.token";
export const token = () => sessionStorage.getItem(KEPT);

export async function send(path, body, method = body ? "POST" : "GET") {
  const raw = body instanceof Blob;
  const headers = { ...(body && { "content-type": raw ? "application/octet-stream" : "application/json" }), ...(token() && { authorization: `Bearer ${token()}` }) };
  try {
    return await fetch(path, { method, headers, ...(body && { body: raw ? body : JSON.stringify(body) }) });
  } catch {
    throw { what: "The service does not answer.", next_step: "Is it still running?" };
  }
}

let signingIn = null; // one dialog, however many questions wait for it
let declined = false; // by somebody who has done nothing since: what the page asks by itself is not asked again

// Whether to ask again: with a token that somebody gave since `carried` was sent.
export function signIn(problem, carried) {
  if (token() !== carried) return Promise.resolve(true);
  if (declined) return Promise.resolve(false);
  signingIn ??= new Promise((resolve) => {
    const dialog = $("sign-in");
    const given = $("token");
    const done = (asks) => {
      signingIn = null;
      declined = !asks;
      $("sign-in-form").onsubmit = $("sign-in-not").onclick = dialog.oncancel = null;
      dialog.close();
      showSignedIn();
      resolve(asks);
    };
    given.value = "";
    given.setAttribute("aria-invalid", String(Boolean(carried)));
    $("sign-in-why").textContent = carried ? `${sentence(problem.what ?? "it opens nothing")}.` : "";
    $("sign-in-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEPT, given.value.trim());
      done(true);
    };
    $("sign-in-not").onclick = () => done(false);
    dialog.oncancel = () => done(false);
    dialog.showModal();
  });
  return signingIn;
}

for (const done of ["click", "submit"]) {
  document.addEventListener(done, () => { declined = false; }, { capture: true });
}

// A picture carries no token: it is fetched.
export async function loadPicture(picture, address) {
  if (!token()) {
    picture.src = address;
    return;
  }
  const answer = await send(address).catch(() => ({ ok: false }));
  if (!answer.ok) {
    picture.remove(); // the coloured frame below stays
    return;
  }
  picture.addEventListener("load", () => URL.revokeObjectURL(picture.src), { once: true });
  picture.src = URL.createObjectURL(await answer.blob());
}

function showSignedIn() {
  $("sign-out").hidden = !token();
}

export function signOut() {
  sessionStorage.removeItem(KEPT);
  location.reload(); // and be asked again
}

$("sign-out").addEventListener("click", signOut);
showSignedIn();
