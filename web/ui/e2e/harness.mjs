// What the tests in the browser share: the real program on a folder of its own, and the
// system's Chromium. One server for each file, one browser, one context for each person.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

/** The root of the repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const program = process.env.COAGENT_E2E_BINARY ?? join(root, "bin", "coagent");
const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
// A class is seeded by few people within seconds.
const quick = { COAGENT_LIMITS_POSTS_PER_MINUTE: "100000", COAGENT_LIMITS_POSTS_BURST: "100000", COAGENT_LIMITS_REQUESTS_PER_MINUTE: "1000000", COAGENT_LIMITS_REQUESTS_BURST: "100000" };
// With COAGENT_E2E_DATABASE=postgres each program gets a database of its own on the server of
// COAGENT_TEST_POSTGRES; without it SQLite in its folder.
function database() {
  if (process.env.COAGENT_E2E_DATABASE !== "postgres") return {};
  const url = execFileSync("go", ["run", "./store/storetest/newdatabase"], { cwd: root, encoding: "utf8" }).trim();
  return {
    COAGENT_DATABASE_URL: url,
    COAGENT_DATABASE_AUTO_MIGRATE: "true",
    COAGENT_AUTH_SECRET_KEY: randomBytes(48).toString("base64"),
    COAGENT_AUTH_ENCRYPTION_KEYS: randomBytes(32).toString("base64url") + "=",
  };
}
// What is for the tests is no setting of the program.
const inherited = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^COAGENT_(E2E|TEST)_/.test(name)));
const killed = new Set(); // the origins of servers that were down once

/** Starts the program on an empty folder; it ends with the test. */
export async function serve(t, { addr = "127.0.0.1:0", dir = mkdtempSync(join(tmpdir(), "coagent-e2e-")), env = {} } = {}) {
  assert.ok(existsSync(program), `${program} is not there: run make build`);
  let child;
  let ended;
  let said;
  const rows = database();
  const server = {
    dir,
    log: () => said,
    /** Ends it as a power cut does. */
    kill: async () => {
      killed.add(new URL(server.url).host);
      child.kill("SIGKILL");
      await ended;
    },
    /** Starts it again, on the same port. */
    start,
  };
  t.after(async () => {
    killed.add(new URL(server.url ?? "http://none").host);
    child.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
  await start();
  server.setupLink = /(\S+\/setup\?token=\S+)/.exec(said)?.[1];
  return server;

  async function start() {
    said = "";
    const at = server.url ? new URL(server.url).host : addr;
    child = spawn(program, ["serve", "--addr", at], { cwd: dir, env: { ...inherited(), COAGENT_DATA_DIR: join(dir, "data"), ...quick, ...rows, ...env } });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
    ended = new Promise((resolve) => child.once("exit", resolve));
    const ready = () => {
      assert.equal(child.exitCode, null, said);
      return /is ready at (\S+)/.test(said) && (/token=\S+\n/.test(said) || !/no admin yet/.test(said));
    };
    await until(ready, "the server to be ready", () => said);
    server.url = /is ready at (\S+)/.exec(said)[1];
  }
}

/** A network between a browser and the server that cuts all WebSockets, as some schools' do. */
export async function cutting(t, server) {
  const open = new Set();
  const proxy = createServer((from) => {
    open.add(from.on("error", () => {}).on("close", () => open.delete(from)));
    from.once("data", (first) => {
      if (/\r\nupgrade: websocket/i.test(first)) return from.destroy();
      const to = connect(Number(new URL(server.url).port), "127.0.0.1");
      to.write(first);
      to.on("error", () => from.destroy()).on("close", () => from.destroy());
      from.on("close", () => to.destroy());
      from.pipe(to).pipe(from);
    });
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    proxy.close();
    for (const socket of open) socket.destroy();
  });
  const url = `http://127.0.0.1:${proxy.address().port}`;
  killed.add(new URL(url).host);
  return { ...server, url };
}

/** Waits for a state, never for a time. */
export async function until(is, what, also = () => "") {
  const end = Date.now() + 60_000;
  while (!(await is())) {
    if (Date.now() > end) assert.fail(`waited a minute for ${what}\n${also()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The system's Chromium. */
export const launch = () => chromium.launch({ executablePath: browsers.find(existsSync), args: ["--no-sandbox"] });

let launched;
/**
 * A person's own browser. What the console says of errors fails the test, and so does what the
 * policy of the page forbids. Chromium itself says there that a request was refused: 401 is how
 * a page learns that nobody is signed in; other statuses are named in refused, and other words
 * of the console in allow. A request to another host fails the test too.
 */
export async function person(t, { phone = false, wide = false, locale = "en-US", refused = [], allow, ...more } = {}) {
  launched ??= launch();
  const browser = await launched;
  const viewport = phone ? { width: 390, height: 844 } : wide ? { width: 1600, height: 1000 } : { width: 1280, height: 900 };
  const context = await browser.newContext({ viewport, hasTouch: phone, isMobile: phone, locale, reducedMotion: "reduce", ...more });
  context.setDefaultTimeout(120_000); // a shared machine is slow; what is waited for comes
  const wrong = [];
  const statuses = [401, ...refused];
  const expected = (text, url) => {
    if (/^Failed to load resource: the server responded with a status of (\d+)/.test(text)) return statuses.includes(Number(RegExp.$1));
    if (/^(Failed to load resource: net::ERR_|WebSocket connection to '|Connecting to '|The FetchEvent)/.test(text)) return killed.has(new URL(/'((?:ws|http)\S+)'/.exec(text)?.[1] ?? url).host) || (allow?.test(text) ?? false);
    return allow?.test(text) ?? false;
  };
  context.on("request", (r) => !/^(data|blob|about):|^https?:\/\/(127\.0\.0\.1|localhost)[:/]/.test(r.url()) && wrong.push(`a request to ${r.url()}`));
  context.on("page", (page) => {
    page.on("pageerror", (e) => wrong.push(e.stack ?? e.message));
    page.on("console", (m) => m.type() === "error" && !expected(m.text(), m.location().url) && wrong.push(`${m.text()} (${m.location().url})`));
  });
  const page = await context.newPage();
  t.after(async () => {
    if (!t.passed) for (const [i, p] of context.pages().entries()) await p.screenshot({ path: join(tmpdir(), `e2e-${t.name.replace(/\W+/g, "-").slice(0, 60)}-${++shots}-${i}.png`) }).catch(() => {});
    await context.close();
    assert.deepEqual(wrong, [], "what the console said");
  });
  return page;
}
let shots = 0;

/** Ends the browser when all tests of a file have run. */
export async function end() {
  await (await launched)?.close();
}

/** Signs a page in without its form, for what a test does not look at. */
export async function enter(page, server, { username, password }) {
  const answer = await page.context().request.post(`${server.url}/api/v1/login/access-token`, { form: { username, password } });
  assert.equal(answer.status(), 200, await answer.text());
}

/** The API as a person who is signed in, for what a test does not look at; api.csv sends a list and api.file a file. */
export async function signedIn(server, username, password) {
  const answer = await fetch(`${server.url}/api/v1/login/access-token`, { method: "POST", body: new URLSearchParams({ username, password }) });
  assert.equal(answer.status, 200, await answer.text());
  const cookie = answer.headers.getSetCookie().map((c) => c.split(";")[0]).join("; ");
  async function send(method, path, body, headers = {}) {
    const a = await fetch(`${server.url}/api/v1${path}`, { method, headers: { cookie, ...headers }, body });
    const text = await a.text();
    assert.ok(a.ok, `${method} ${path}: ${a.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }
  const api = (method, path, body) => (body === undefined ? send(method, path) : send(method, path, JSON.stringify(body), { "content-type": "application/json" }));
  api.csv = (method, path, text) => send(method, path, text, { "content-type": "text/csv" });
  api.file = (method, path, bytes, name, type = "image/png") => {
    const form = new FormData();
    form.append("file", new Blob([bytes], { type }), name);
    return send(method, path, form);
  };
  return api;
}

export const admin = { username: "teacher@school.example", password: "correct horse battery", name: "Tea Cher" };

/** Makes the first account over the API. */
export async function setUp(server) {
  const token = new URL(server.setupLink).searchParams.get("token");
  const account = { token, email: admin.username, full_name: admin.name, password: admin.password };
  const answer = await fetch(`${server.url}/api/v1/setup`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(account) });
  assert.equal(answer.status, 200, await answer.text());
  return signedIn(server, account.email, account.password);
}
