// The API as a person who is signed in.
import assert from "node:assert/strict";

export async function signedIn(server, username, password) {
  const answer = await fetch(`${server.url}/api/v1/login/access-token`, { method: "POST", body: new URLSearchParams({ username, password }) });
  assert.equal(answer.status, 200, `${username}: ${await answer.text()}`);
  const cookie = answer.headers.getSetCookie().map((c) => c.split(";")[0]).join("; ");
  async function send(method, path, body, headers = {}) {
    const a = await fetch(`${server.url}/api/v1${path}`, { method, headers: { cookie, ...headers }, body });
    const text = await a.text();
    assert.ok(a.ok, `${method} ${path}: ${a.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }
  return {
    api: (method, path, body) => (body === undefined ? send(method, path) : send(method, path, JSON.stringify(body), { "content-type": "application/json" })),
    text: (method, path, body) => send(method, path, body, { "content-type": "text/csv" }),
    form: (method, path, bytes, name, type = "image/png") => {
      const form = new FormData();
      form.append("file", new Blob([bytes], { type }), name);
      return send(method, path, form);
    },
  };
}

/** An account with a password, made by the admin. */
export async function person(server, admin, name, username, role) {
  const password = "a long enough one";
  const { id } = await admin("POST", "/users/", { full_name: name, username, password, role });
  return { id, name, username, password, ...(await signedIn(server, username, password)) };
}
