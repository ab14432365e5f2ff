import { h } from "./dom.js";

// ask shows a question in a dialog and returns whether the answer is yes. Afterwards the focus returns to its element.
export function ask({ title, text, yes }) {
  return new Promise((resolve) => {
    const close = (value) => () => dialog.close(value);
    const dialog = h("dialog", { "aria-labelledby": "ask-title", "aria-describedby": "ask-text" },
      h("h2", { id: "ask-title", text: title }),
      h("p", { id: "ask-text", text }),
      h("div", { class: "actions" },
        h("button", { type: "button", text: "No", on: { click: close("") } }),
        h("button", { type: "button", class: "danger", text: yes, on: { click: close("yes") } })));
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
