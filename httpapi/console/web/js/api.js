// The client of the endpoints, which sends the user's token.

const tokenKey = "productindex.token";

// ApiError is an error answer. Its status is 0 if there was no answer.
export class ApiError extends Error {
  constructor(status, message, details = [], retryAfter = 0) {
    super(message);
    Object.assign(this, { status, details, retryAfter });
  }

  // sentence is the message with its details, for users.
  get sentence() {
    const text = [this.message, ...this.details].map((part) => part.replace(/[.\s]+$/, "")).filter(Boolean).join(". ");
    return text + (this.status === 403 && /scope/i.test(text) ? ". Your token does not allow this" : "") + ".";
  }
}

function setting(name) {
  return document.querySelector(`meta[name="${name}"]`).content;
}

export class Api {
  #base = new URL(`${setting("api")}/indexing/`, document.baseURI);
  #search = setting("search") === "true";
  #paths = {};
  #schemas = {};

  // The browser forgets the token when the tab is closed.
  get token() { return sessionStorage.getItem(tokenKey) ?? ""; }
  set token(value) {
    if (value) sessionStorage.setItem(tokenKey, value);
    else sessionStorage.removeItem(tokenKey);
  }

  get canSearch() { return this.#search; }

  // describe reads the OpenAPI document of the server, on which serves and takes depend.
  async describe() {
    const document = await this.get("openapi.json");
    this.#paths = document.paths ?? {};
    this.#schemas = document.components?.schemas ?? {};
  }

  // serves reports whether the server has an operation, such as post /indexing/{tenant}/reindex-jobs.
  serves(method, path) { return Boolean(this.#paths[path]?.[method]); }

  // takes reports whether a schema has a property.
  takes(schema, property) { return Boolean(this.#schemas[schema]?.properties?.[property]); }

  // fetch sends a request. It throws an ApiError unless the status of the answer is 2xx.
  async fetch(path, options = {}) {
    const headers = { ...options.headers };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    let response;
    try {
      response = await fetch(new URL(path, this.#base), { cache: "no-store", ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, "The server does not answer");
    }
    if (!response.ok) throw await problem(response);
    return response;
  }

  async get(path, headers) { return (await this.fetch(path, { headers })).json(); }

  post(path, body) { return this.#send("POST", path, body); }

  put(path, body) { return this.#send("PUT", path, body); }

  async #send(method, path, body) {
    const response = await this.fetch(path, {
      method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}),
    });
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  }

  async delete(path) { await this.fetch(path, { method: "DELETE" }); }

  // page gets a page of a list and the length of the whole list.
  async page(path, parameters) {
    const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ""));
    const response = await this.fetch(`${path}?${query}`, { headers: { "X-Total-Count": "true" } });
    const number = (name) => Number(response.headers.get(name) ?? NaN);
    return { items: await response.json(), total: number("X-Total-Count"), rejected: number("X-Rejected-Count") };
  }

  tenants(parameters) { return this.get(`reindex-tenants?${new URLSearchParams(parameters)}`); }

  job(tenant, id) { return this.get(`${tenant}/reindex-jobs/${id}`); }

  async search(tenant, text, signal) {
    const path = new URL(`search/${tenant}?${new URLSearchParams({ q: text })}`, document.baseURI);
    return (await this.fetch(path, { signal })).json();
  }
}

// problem reads an error answer: an errorMessage, or the fault of a 401.
async function problem(response) {
  const body = await response.json().catch(() => ({}));
  const message = body.message ?? body.fault?.faultstring ?? `${response.status} ${response.statusText}`;
  return new ApiError(response.status, message, body.details ?? [], Number(response.headers.get("Retry-After") ?? 0));
}
