// Takes a picture of every page in every state, at three sizes and in both themes, of the real
// program with a school in it. The pictures are for eyes: make shots writes them to bin/shots,
// and what was taken to e2e/shots.txt. --only TEXT takes what has it in its name, --sizes 390
// that size alone. --stay keeps the school running for a look by hand; its address and people are
// in bin/shots.json, from which --at takes pictures again without a new one.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launch, serve } from "./harness.mjs";
import { scripted } from "./model.mjs";
import { school as begun } from "./seed.mjs";
import { early, pages } from "./shots/pages.mjs";
import { school } from "./shots/school.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: args } = parseArgs({ options: { only: { type: "string", default: "" }, sizes: { type: "string", default: "390,1024,1600" }, out: { type: "string", default: join(here, "../../../bin/shots") }, stay: { type: "boolean" }, at: { type: "string" } } });
const sizes = args.sizes.split(",").map(Number);
const heights = { 390: 844, 1024: 768, 1600: 1000 };
const all = args.only === "" && args.sizes === "390,1024,1600";
// Many messages of few people within seconds, and answers that last as long as it takes to look.
const limits = {
  ...Object.fromEntries(["POSTS_PER_MINUTE", "POSTS_BURST", "REQUESTS_PER_MINUTE", "REQUESTS_BURST", "HANDSHAKES_PER_MINUTE"].map((l) => [`COAGENT_LIMITS_${l}`, "100000"])),
  ...Object.fromEntries(["LLM_FIRST_TOKEN", "LLM_SILENCE", "LLM_TOTAL", "TURNS_MAX_DURATION"].map((l) => [`COAGENT_${l}`, "30m"])),
  COAGENT_EXTERNAL_ALLOW_PRIVATE: "true",
};

const ends = [];
const t = { after: (end) => ends.unshift(end) };
// One session for each person: a list of sessions with hundreds in it is not what people see.
// It is renewed long before a page would do so for itself, which ends the cookies that others hold.
const sessions = new Map();
const fresh = 5 * 60_000;
const taken = [];
const failed = [];
const browser = await launch();
t.after(() => browser.close());
try {
  if (all) rmSync(args.out, { recursive: true, force: true });
  mkdirSync(args.out, { recursive: true });
  const world = args.at ? JSON.parse(readFileSync(args.at, "utf8")) : await begin();
  await take(world, pages(world));
  if (args.stay) {
    writeFileSync(`${args.out}.json`, JSON.stringify(world));
    console.log(`${world.server.url}, people in ${args.out}.json; end it with Ctrl+C`);
    await new Promise((done) => process.once("SIGINT", done).once("SIGTERM", done));
  }
} finally {
  for (const end of ends) await end();
}
if (all) writeFileSync(join(here, "shots.txt"), `page | state | size | theme | language | address\n${taken.join("\n")}\n`);
console.log(`${taken.length} pictures in ${args.out}`);
for (const one of failed) console.error(one);
process.exitCode = failed.length ? 1 : 0;

async function begin() {
  const model = await scripted(t);
  const server = await serve(t, { env: { ...model.env, ...limits } });
  const { url } = server;
  await take({ server: { url, setupLink: server.setupLink } }, early({ setupLink: server.setupLink }));
  const { person } = await begun(server);
  console.log(`a school is made at ${url}`);
  return { server: { url }, ...(await school(server, person, model, browser)) };
}

async function take(world, shots) {
  for (const shot of shots) {
    const { page: name, state = "", locale = "en" } = shot;
    const title = [name, state, locale === "en" ? "" : locale].filter(Boolean).join("-").replace(/[^\w-]+/g, "-");
    if (!title.includes(args.only)) continue;
    for (const size of shot.sizes ?? [390, 1024, 1600]) {
      if (!sizes.includes(size)) continue;
      const context = await browser.newContext({ viewport: { width: size, height: heights[size] }, hasTouch: size === 390, isMobile: size === 390, locale: locale === "en" ? "en-US" : locale, reducedMotion: "reduce", colorScheme: "light" });
      try {
        await one(context, world, shot, size, title);
      } catch (cause) {
        failed.push(`${title} at ${size}: ${cause.message.split("\n").slice(0, 3).join(" ")}`);
        console.error(failed.at(-1));
      }
      await context.close();
    }
  }
}

async function one(context, world, shot, size, title) {
  const { page: name, state = "", as, path, open, themes = ["light", "dark"], locale = "en" } = shot;
  context.setDefaultTimeout(60_000); // a shared machine is slow; what is waited for comes
  if (as) await enter(context, world, as);
  const page = await context.newPage();
  if (shot.before) await shot.before(page, world);
  await page.goto(world.server.url + path);
  if (shot.wait) await page.locator(shot.wait).first().waitFor();
  if (open) await open(page, size, world);
  if (!shot.busy) await page.waitForLoadState("networkidle");
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await page.evaluate(async () => {
      await Promise.all(document.getAnimations().map((a) => a instanceof CSSTransition && a.finished.catch(() => undefined)));
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    });
    await page.screenshot({ path: join(args.out, `${title}-${size}-${theme}.png`) });
    taken.push([name, state || "-", size, theme, locale, path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ":id").replace(/token=\S+/, "token=:token").replace(/(join\/)\w+/, "$1:code")].join(" | "));
  }
}

async function enter(context, world, { username, password }) {
  if (!(sessions.get(username)?.until > Date.now())) {
    const answer = await context.request.post(`${world.server.url}/api/v1/login/access-token`, { form: { username, password } });
    if (!answer.ok()) throw new Error(`${username}: ${await answer.text()}`);
    sessions.set(username, { cookies: await context.cookies(), until: Date.now() + fresh });
  }
  await context.addCookies(sessions.get(username).cookies);
}
