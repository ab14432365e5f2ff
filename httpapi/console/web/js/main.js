// The page: the sign-in, and the view of the address.

import { Api } from "./api.js";
import { h, setText } from "./dom.js";
import { released } from "./poll.js";
import { showSignIn } from "./signin.js";
import { showTenant } from "./tenant.js";
import { showTenants } from "./tenants.js";

const element = (id) => document.getElementById(id);
const title = document.title;
const api = new Api();

let leave = () => {}; // ends the current view
let shown = ""; // the tenant of the current view
let entered = false;
let news = ""; // the text of the banner

// app has the parts of the page that all views use.
const app = {
  api,
  main: element("main"),

  // announce has screen readers read a text.
  announce(text) { setText(element("announcer"), text); },

  // banner shows a text above the view. Without a text it hides the banner.
  async banner(text = "") {
    news = text;
    await released(); // the banner moves the page
    setText(element("banner"), news);
    element("banner").hidden = !news;
  },

  // place sets the title and the breadcrumbs, a list of [text, address].
  place(way) {
    document.title = [...way.map(([text]) => text).reverse(), title].join(" – ");
    const last = way.length - 1;
    element("crumbs").replaceChildren(h("ol", {}, way.map(([text, address], i) => h("li", {},
      h("a", { href: address, text, "aria-current": i === last ? "page" : null })))));
  },

  // failed handles an error that a view does not handle itself. It returns the text to show.
  failed(error) {
    if (error.status === 401) {
      signIn(api.token ? error.message : "");
      return error.message;
    }
    if (error.sentence === undefined) console.error(error);
    return error.sentence ?? "This page has a fault. The browser's console has the details.";
  },
};

function enter(view, ...parameters) {
  leave();
  app.banner();
  app.main.replaceChildren();
  leave = view(app, ...parameters) ?? (() => {});
}

function signIn(reason) {
  api.token = "";
  shown = "";
  entered = true;
  element("signout").hidden = true;
  enter(showSignIn, reason, async (token) => {
    api.token = token;
    await api.tenants({ pageSize: 1 }); // throws if the token is not valid
    route();
  });
}

// route shows the view of the address: #/, #/acme or #/acme/JOB.
function route() {
  const [tenant = "", job = ""] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  element("signout").hidden = !api.token;
  if (tenant && shown === tenant) { // the same view with another job
    window.dispatchEvent(new CustomEvent("job", { detail: job }));
    return;
  }
  shown = tenant;
  if (tenant) enter(showTenant, tenant, job);
  else enter(showTenants);
  if (entered) app.main.focus({ preventScroll: true }); // but not when the page has just loaded
  entered = true;
  window.scrollTo(0, 0);
}

element("signout").addEventListener("click", () => signIn("You are signed out."));
element("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the hash of the address selects the view
  app.main.focus();
});
window.addEventListener("hashchange", route);

async function begin() {
  try {
    await api.describe();
    await api.tenants({ pageSize: 1 });
    route();
  } catch (error) {
    if (error.status === 401 || error.status === 403) return signIn(api.token ? error.message : "");
    app.banner(`${app.failed(error)} Trying again…`);
    setTimeout(begin, 3000);
  }
}

begin();
