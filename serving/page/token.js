// The token, where the service asks for one: kept for this tab only, and never in an address.

export const $ = (id) => document.getElementById(id);
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const KEPT = "kinoloop.token";
export const token = () => sessionStorage.getItem(KEPT);

export async function send(path, body) {
  const headers = { ...(body && { "content-type": "application/json" }), ...(token() && { authorization: `Bearer ${token()}` }) };
  const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  try {
    return await fetch(path, options);
  } catch {
    throw { what: "The service does not answer.", next_step: "Is it still running?" };
  }
}


let signingIn = null; // one dialog, however many questions wait for it

// Whether to ask again: with a token that somebody gave since `carried` was sent.
export function signIn(problem, carried) {
  if (token() !== carried) return Promise.resolve(true);
  signingIn ??= new Promise((resolve) => {
    const dialog = $("sign-in");
    const given = $("token");
    const done = (asks) => {
      signingIn = null;
      $("sign-in-form").onsubmit = dialog.oncancel = null;
      dialog.close();
      resolve(asks);
    };
    given.value = "";
    given.setAttribute("aria-invalid", String(Boolean(carried)));
    $("sign-in-why").textContent = carried ? `${sentence(problem.what ?? "it opens nothing")}.` : "";
    $("sign-in-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEPT, given.value.trim());
      showSignedIn();
      done(true);
    };
    dialog.oncancel = () => done(false);
    dialog.showModal();
  });
  return signingIn;
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

$("sign-out").addEventListener("click", () => {
  sessionStorage.removeItem(KEPT);
  location.reload();
});
showSignedIn();
