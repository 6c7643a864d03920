// Passkeys in the browser: asks the server for a question, lets the authenticator sign, sends the answer.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  const ask = async (path, content, csrf) => {
    const headers = { "content-type": "application/json" };
    if (csrf) headers["x-csrf-token"] = csrf;
    const answer = await fetch("/api/v1" + path, { method: "POST", headers, body: JSON.stringify(content) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.title === "Sign in again" ? "again" : "refused");
    return told;
  };

  const signIn = async () => {
    const asked = await ask("/session/passkey/question", {});
    const options = { ...asked.options, challenge: bytes(asked.options.challenge) };
    options.allowCredentials = (options.allowCredentials || []).map((one) => ({ ...one, id: bytes(one.id) }));
    const made = await navigator.credentials.get({ publicKey: options });
    const answer = {
      id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {},
      response: {
        authenticatorData: text(made.response.authenticatorData),
        clientDataJSON: text(made.response.clientDataJSON),
        signature: text(made.response.signature),
        userHandle: made.response.userHandle ? text(made.response.userHandle) : null,
      },
    };
    await ask("/session/passkey", { ticket: asked.ticket, answer });
    location.assign("/");
  };

  const add = async (button) => {
    const csrf = button.dataset.csrf;
    const asked = await ask("/account/passkeys/question", {}, csrf);
    const options = { ...asked.options, challenge: bytes(asked.options.challenge) };
    options.user = { ...options.user, id: bytes(options.user.id) };
    options.excludeCredentials = (options.excludeCredentials || []).map((one) => ({ ...one, id: bytes(one.id) }));
    const made = await navigator.credentials.create({ publicKey: options });
    const answer = {
      id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {},
      response: {
        attestationObject: text(made.response.attestationObject),
        clientDataJSON: text(made.response.clientDataJSON),
        transports: made.response.getTransports ? made.response.getTransports() : [],
      },
    };
    const label = document.getElementById("passkey-label").value;
    await ask("/account/passkeys", { ticket: asked.ticket, label, answer }, csrf);
    location.reload();
  };

  for (const button of document.querySelectorAll("button[data-passkey]")) {
    if (!window.PublicKeyCredential) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const told = document.getElementById("passkey-told");
      told.hidden = true;
      button.disabled = true;
      try {
        await (button.dataset.passkey === "add" ? add(button) : signIn());
      } catch (error) {
        told.textContent = error.message === "again" ? told.dataset.again : told.dataset.failed;
        told.hidden = false;
      }
      button.disabled = false;
    });
  }
})();
