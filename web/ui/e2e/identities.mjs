// A provider of identities that speaks OpenID Connect, as strictly as real ones do. People
// choose on its page who they are. It serves as long as the test runs:
//
//   const school = await provider(t, "school", { people: { Ada: { sub: "1", name: "Ada Lovelace" } } });
//   const server = await serve(t, { env: school.env });
//
// It remembers who signed in where, and tells the server when somebody is to be signed out.
import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

const client = { id: "coagent", secret: "client-secret-of-the-e2e" };
const base64 = (value) => Buffer.from(value).toString("base64url");

export async function provider(t, id, { people, more = {} }) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const codes = new Map();
  const at = createServer((request, response) => answer(request, response).catch((cause) => response.writeHead(500).end(String(cause))));
  at.listen(0, "127.0.0.1");
  await once(at, "listening");
  t.after(() => {
    at.close();
    at.closeAllConnections();
  });
  const url = `http://127.0.0.1:${at.address().port}`;
  const made = {
    url,
    signedOut: [], // the hints of those who were sent here to sign out
    env: { COAGENT_AUTH_SIGN_ON: JSON.stringify([{ id, name: "School account", issuer: url, client_id: client.id, client_secret: client.secret, end_session: true, ...more }]) },
    signOut,
  };
  return made;

  function signed(claims) {
    const now = Math.floor(Date.now() / 1000);
    const text = [{ alg: "RS256", kid: "a" }, { iss: url, aud: client.id, iat: now, exp: now + 120, ...claims }].map((part) => base64(JSON.stringify(part))).join(".");
    return `${text}.${base64(sign("RSA-SHA256", text, privateKey))}`;
  }

  /** Tells the server that somebody has signed out here. */
  async function signOut(server, claims) {
    const token = signed({ jti: randomUUID(), events: { "http://schemas.openid.net/event/backchannel-logout": {} }, ...claims });
    const told = await fetch(`${server.url}/api/v1/login/providers/${id}/logout`, { method: "POST", body: new URLSearchParams({ logout_token: token }) });
    assert.equal(told.status, 204, await told.text());
  }

  async function answer(request, response) {
    const asked = new URL(request.url, url);
    const json = (body, status = 200) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const page = (body) => response.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html><html lang="en"><title>School</title><link rel="icon" href="data:,">${body}</html>`);
    const q = asked.searchParams;
    switch (asked.pathname) {
      case "/.well-known/openid-configuration":
        return json({
          issuer: url,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: `${url}/token`,
          jwks_uri: `${url}/keys`,
          end_session_endpoint: `${url}/logout`,
          id_token_signing_alg_values_supported: ["RS256"],
        });
      case "/keys":
        return json({ keys: [{ ...createPublicKey(privateKey).export({ format: "jwk" }), kid: "a", use: "sig", alg: "RS256" }] });
      case "/authorize": {
        assert.deepEqual([q.get("client_id"), q.get("response_type"), q.get("code_challenge_method")], [client.id, "code", "S256"]);
        const back = (with_) => `${q.get("redirect_uri")}?${new URLSearchParams({ state: q.get("state"), iss: url, ...with_ })}`.replaceAll("&", "&amp;");
        const links = Object.entries(people).map(([name, claims]) => {
          const code = randomUUID();
          codes.set(code, { claims, nonce: q.get("nonce"), challenge: q.get("code_challenge"), redirect: q.get("redirect_uri") });
          return `<p><a href="${back({ code })}">I am ${name}</a>`;
        });
        return page(`<h1>School</h1>${links.join("")}<p><a href="${back({ error: "access_denied" })}">No</a>`);
      }
      case "/token": {
        let raw = "";
        for await (const piece of request) raw += piece;
        const form = new URLSearchParams(raw);
        const known = codes.get(form.get("code"));
        codes.delete(form.get("code"));
        const right = request.headers.authorization === `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString("base64")}`;
        const challenge = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
        if (!right || !known || known.challenge !== challenge || known.redirect !== form.get("redirect_uri")) return json({ error: "invalid_grant" }, 400);
        return json({ access_token: "access", token_type: "Bearer", id_token: signed({ nonce: known.nonce, ...known.claims }) });
      }
      case "/logout":
        made.signedOut.push(JSON.parse(Buffer.from(q.get("id_token_hint").split(".")[1], "base64url")).sub);
        return response.writeHead(302, { location: q.get("post_logout_redirect_uri") }).end();
      default:
        return response.writeHead(404).end();
    }
  }
}
