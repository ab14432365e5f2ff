// The page: who is signed in, and which view the address asks for.

import { Api } from "./api.js";
import { h, setText } from "./dom.js";
import { released } from "./poll.js";
import { showSignIn } from "./signin.js";
import { showTenant } from "./tenant.js";
import { showTenants } from "./tenants.js";

const element = (id) => document.getElementById(id);
const title = document.title;
const api = new Api();

let leave = () => {}; // ends what the view has begun
let shown = ""; // the tenant
let entered = false;
let news = ""; // what the banner is to show

// app has the parts of the page that views use.
const app = {
  api,
  main: element("main"),

  // announce says something to those who listen to the page.
  announce(text) { setText(element("announcer"), text); },

  // banner shows something across the page until it is called with nothing.
  async banner(text = "") {
    news = text;
    await released(); // it moves the page
    setText(element("banner"), news);
    element("banner").hidden = !news;
  },

  // place names where one is: in the title, and in the way there, a list of [text, address].
  place(way) {
    document.title = [...way.map(([text]) => text).reverse(), title].join(" – ");
    const last = way.length - 1;
    element("crumbs").replaceChildren(h("ol", {}, way.map(([text, address], i) => h("li", {},
      h("a", { href: address, text, "aria-current": i === last ? "page" : null })))));
  },

  // failed deals with an error that no view expects. It returns the words to show.
  failed(error) {
    if (error.status === 401) {
      signIn(api.token ? error.message : "");
      return error.message;
    }
    if (error.sentence === undefined) console.error(error);
    return error.sentence ?? "Something in this page is broken; the browser's console has the details.";
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
    await api.tenants({ pageSize: 1 }); // throws if the token is of no use
    route();
  });
}

// route shows the view of the address: #/, #/acme or #/acme/JOB.
function route() {
  const [tenant = "", job = ""] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  element("signout").hidden = !api.token;
  if (tenant && shown === tenant) { // the same page, of another job
    window.dispatchEvent(new CustomEvent("job", { detail: job }));
    return;
  }
  shown = tenant;
  if (tenant) enter(showTenant, tenant, job);
  else enter(showTenants);
  if (entered) app.main.focus({ preventScroll: true }); // not when the page has just been loaded
  entered = true;
  window.scrollTo(0, 0);
}

element("signout").addEventListener("click", () => signIn("You are signed out."));
element("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address says which view is shown
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
