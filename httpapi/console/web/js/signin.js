import { h } from "./dom.js";

const help = "A bearer token of the indexing service. It stays in this tab and is forgotten when the tab is closed.";

// showSignIn asks for a token and calls enter with it. enter throws if the token is not valid.
export function showSignIn(app, reason, enter) {
  app.place([]);
  const message = h("p", { class: "note bad", role: "alert", hidden: !reason, text: reason });
  const token = h("input", {
    id: "token", type: "password", autocomplete: "off", spellcheck: "false", autocapitalize: "none", required: true,
    "aria-describedby": "token-help",
  });
  const button = h("button", { type: "submit", class: "primary", text: "Sign in" });

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    try {
      await enter(token.value.trim().replace(/^Bearer\s+/i, ""));
    } catch (error) {
      app.api.token = "";
      message.textContent = error.sentence ?? String(error);
      message.hidden = false;
      button.disabled = false;
      token.select();
    }
  }

  app.main.replaceChildren(h("form", { class: "card signin", on: { submit } },
    h("h1", { text: "Sign in" }),
    message,
    h("label", { for: "token", text: "Access token" }),
    token,
    h("p", { class: "hint", id: "token-help", text: help }),
    button));
  token.focus();
}
