// What the tests in the browser share: the real program on a folder of its own, and the
// system's Chromium. One server for each file, one browser, one context for each person.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const program = process.env.COAGENT_E2E_BINARY ?? join(root, "bin", "coagent");
const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Starts the program on an empty folder; it ends with the test. */
export async function serve(t, { addr = "127.0.0.1:0", dir = mkdtempSync(join(tmpdir(), "coagent-e2e-")), env = {} } = {}) {
  assert.ok(existsSync(program), `${program} is not there: run make build`);
  const child = spawn(program, ["serve", "--addr", addr], { cwd: dir, env: { ...process.env, COAGENT_DATA_DIR: join(dir, "data"), ...env } });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const server = {
    dir,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
    log: () => said,
  };
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
  await until(() => /is ready at (\S+)/.test(said) && (/token=\S+\n/.test(said) || !/no admin yet/.test(said)), "the server to be ready", () => said);
  server.url = /is ready at (\S+)/.exec(said)[1];
  server.setupLink = /(\S+\/setup\?token=\S+)/.exec(said)?.[1];
  return server;
}

/** Waits for a state, never for a time. */
export async function until(is, what, also = () => "") {
  const end = Date.now() + 60_000;
  while (!(await is())) {
    if (Date.now() > end) assert.fail(`waited a minute for ${what}\n${also()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

let launched;
/** A person's own browser. What the console says of errors fails the test. */
export async function person(t, { phone = false, locale = "en-US", ...more } = {}) {
  launched ??= chromium.launch({ executablePath: browsers.find(existsSync), args: ["--no-sandbox"] });
  const browser = await launched;
  const viewport = phone ? { width: 390, height: 844 } : { width: 1280, height: 900 };
  const context = await browser.newContext({ viewport, hasTouch: phone, isMobile: phone, locale, reducedMotion: "reduce", ...more });
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (e) => wrong.push(e.stack ?? e.message));
  // A request that is refused is told by the page itself; Chromium says it too.
  page.on("console", (m) => m.type() === "error" && !/Failed to load resource|WebSocket connection to/.test(m.text()) && wrong.push(m.text()));
  t.after(async () => {
    if (!t.passed) await page.screenshot({ path: join(tmpdir(), `e2e-${t.name.replace(/\W+/g, "-")}.png`) }).catch(() => {});
    await context.close();
    assert.deepEqual(wrong, [], "what the console said");
  });
  return page;
}

/** Ends the browser when all tests of a file have run. */
export async function end() {
  await (await launched)?.close();
}

/** The API as a person who is signed in, for what a test does not look at. */
export async function signedIn(server, username, password) {
  const answer = await fetch(`${server.url}/api/v1/login/access-token`, { method: "POST", body: new URLSearchParams({ username, password }) });
  assert.equal(answer.status, 200, await answer.text());
  const cookie = answer.headers.getSetCookie().map((c) => c.split(";")[0]).join("; ");
  return async (method, path, body) => {
    const a = await fetch(`${server.url}/api/v1${path}`, {
      method,
      headers: { cookie, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await a.text();
    assert.ok(a.ok, `${method} ${path}: ${a.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  };
}

/** Makes the first account over the API. */
export async function setUp(server) {
  const token = new URL(server.setupLink).searchParams.get("token");
  const account = { token, email: "teacher@school.example", full_name: "Tea Cher", password: "correct horse battery" };
  const answer = await fetch(`${server.url}/api/v1/setup`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(account) });
  assert.equal(answer.status, 200, await answer.text());
  return signedIn(server, account.email, account.password);
}
