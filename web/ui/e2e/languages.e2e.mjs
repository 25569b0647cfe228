// Both languages, through all pages. What people of the school have written is in the language
// that is tested, so every word of the other one is a text that nobody has translated.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { admin, end, enter, person, serve } from "./harness.mjs";
import { scripted } from "./model.mjs";
import { agent, say, school } from "./seed.mjs";

const ends = [];
let server;
let at;
const worlds = {};
before(async () => {
  const t = { after: (f) => ends.unshift(f) };
  const model = await scripted(t);
  server = await serve(t, { env: { ...model.env, COAGENT_HTTP_PUBLIC_URL: "" } });
  const s = await school(server);
  worlds.en = await world(s, { teacher: "Maria Lehrer", student: "Ada Byron", course: "Physics", room: "Light", agent: "Socrates", says: "Good morning" }, "en");
  worlds["zh-TW"] = await world(s, { teacher: "林老師", student: "陳怡君", course: "物理", room: "光學", agent: "孔子", says: "大家早安" }, "zh");
  at = new URL(server.url).host;
});
after(async () => {
  await end();
  for (const f of ends) await f();
});

async function world(s, words, prefix) {
  const teacher = await s.person(words.teacher, { role: "teacher", username: `${prefix}.1` });
  const student = await s.person(words.student, { username: `${prefix}.2` });
  const course = await s.course(words.course, { teacher, students: [student], rooms: [words.room] });
  const [room] = course.rooms;
  const made = await agent(teacher, room, words.agent, { system_prompt: words.says, capabilities: ["chat:read", "artifact:write"] });
  const first = await say(student, room, words.says);
  await say(teacher, room, words.says, { reply_to: first.id });
  await teacher.api("PUT", `/rooms/${room.id}/messages/${first.id}/pin`);
  await teacher.api("POST", `/rooms/${room.id}/agents/${made.agent.id}/mute`, { minutes: 30 });
  await teacher.api("POST", "/announcements/", { course_id: course.id, title: words.says, content: words.says });
  await teacher.api("PUT", `/courses/${course.id}/join-code`);
  await teacher.api("POST", `/courses/${course.id}/invitations`, { role: "ta" });
  await teacher.api("POST", "/users/me/tokens", { name: words.says, scopes: ["read"], expires_in_days: 30 });
  await teacher.api("POST", "/users/keys", { provider: "openai", alias: words.says, api_key: "sk-of-a-test-0123456789" });
  // What a project begins with has names that the server has given it.
  const stored = (await teacher.api("GET", `/agents/${made.agent.project_id}`)).map((a) => a.name);
  return { ...words, stored, teacher, student, courseId: course.id, roomId: room.id, agentId: made.agent.id, project: made.agent.project_id };
}

const signedOut = ["/sign-in", "/join", "/setup", "/reset?token=x", "/not/here"];
const tabs = ["words", "model", "speaks", "tools", "versions", "more"];
const inside = (w) => [
  "/home", "/courses", "/courses/new", ...["", "/people", "/invite", "/import", "/announcements", "/settings"].map((p) => `/courses/${w.courseId}${p}`),
  ...["", "/preferences", "/keys", "/security"].map((p) => `/account${p}`), "/agents", ...tabs.map((tab) => `/agents/${w.project}/${w.agentId}?tab=${tab}`),
  `/rooms/${w.roomId}`, `/rooms/${w.roomId}/agents`, `/rooms/${w.roomId}/agents/new`, "/rooms/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90", "/courses/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90",
];

// Names of things, which are the same in both: of products, models, formats, keys, zones; and of the
// people in examples.
const names = /Mozilla.*|Postgres|SQLite|SHA-256|\bdev\b|coagent|--addr [\d.:]+|http\.addr|Mia Chen|Liam Wu|林美玲|王小明|CoAgent Studio|OpenAI|Claude|Gemini|Anthropic|Google|Azure|gpt-[\w.-]+|gemini-[\w.-]+|claude-[\w.-]+|CSV|Markdown|Big5|API|AI|UTC|QR|ID|Ctrl|Shift|Enter|Esc|Tab|Alt|Chrome|Linux|node|English|Token|token|sk[\w*-]+|[A-Z0-9]{4}-[A-Z0-9]{4}|繁體中文|[\w.]+@[\w.]+|https?:\S+|\/[\w/-]+|127\.0\.0\.1\S*|localhost\S*|(?:zh|en)\.[12]|[0-9a-f-]{16,}|@\w+/g;

/** The texts that a reader sees or hears, without those of the other language that a page shows on purpose. */
function texts(within) {
  const all = [];
  const walker = document.createTreeWalker(document.querySelector(within), NodeFilter.SHOW_TEXT);
  for (let n = walker.nextNode(); n; n = walker.nextNode()) {
    const e = n.parentElement;
    if (n.data.trim() && !e.closest("script, style, code, pre, kbd, [lang]:not(html), [data-untranslated]") && (e.checkVisibility() || e.closest(".sr-only"))) all.push(n.data.trim());
  }
  for (const e of document.querySelectorAll(["[aria-label]", "[title]", "[placeholder]", "[alt]"].map((a) => `${within} ${a}`))) for (const a of ["aria-label", "title", "placeholder", "alt"]) if (e.getAttribute(a)) all.push(e.getAttribute(a));
  return [...new Set([document.title, ...all])];
}

for (const [locale, other] of [
  ["en", /\p{Script=Han}+/gu],
  ["zh-TW", /[A-Za-z]{3,}/g],
]) {
  test(`no page shows a word of another language, nor the name of a text: ${locale}`, async (t) => {
    const w = worlds[locale];
    const wrong = [];
    const look = async (page, what, within = "body") => {
      await page.locator("h1, h2, form").first().waitFor();
      await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
      if (!(await page.getAttribute("html", "lang")).startsWith(locale.slice(0, 2))) wrong.push(`${what}: its language is not said`);
      for (const text of await page.evaluate(texts, within)) {
        const left = [w.teacher.name, w.student.name, w.course, w.room, w.agent, w.says, at, ...w.stored].reduce((rest, own) => rest.replaceAll(own, ""), text).replace(names, "");
        if (other.test(left) || /\b[a-z]\w+\.[a-z]\w+\.\w+/.test(left)) wrong.push(`${what}: ${text.slice(0, 120)}`);
        other.lastIndex = 0;
      }
    };
    const page = await person(t, { wide: true, locale, refused: [400, 403, 404] });
    for (const path of signedOut) {
      await page.goto(server.url + path);
      await look(page, path);
    }
    await enter(page, server, w.teacher);
    for (const path of inside(w)) {
      await page.goto(server.url + path);
      await look(page, path.replace(/[0-9a-f-]{36}/g, ":id"));
    }
    await page.goto(`${server.url}/home`);
    await page.locator("h1").waitFor();
    for (const key of ["Control+k", "?"]) {
      await page.keyboard.press(key);
      await page.getByRole("dialog").waitFor();
      await look(page, `the dialog of ${key}`);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
    const operator = await person(t, { wide: true, locale });
    await enter(operator, server, admin);
    for (const path of ["/installation", "/installation/backups", "/installation/keys"]) {
      await operator.goto(server.url + path);
      await operator.locator("main section > div").first().waitFor();
      for (const fold of await operator.locator("main summary").all()) await fold.click();
      await look(operator, path, "main"); // beside it are the courses of both languages
    }
    const student = await person(t, { wide: true, locale, refused: [403, 404] });
    await enter(student, server, w.student);
    for (const path of ["/home", `/courses/${w.courseId}`, `/rooms/${w.roomId}`, `/courses/${w.courseId}/settings`, `/rooms/${w.roomId}/agents/new`]) {
      await student.goto(server.url + path);
      await look(student, `student ${path.replace(/[0-9a-f-]{36}/g, ":id")}`);
    }
    assert.deepEqual(wrong, []);
  });
}

test("the language changes at once, without a reload, and is kept", async (t) => {
  const page = await person(t);
  await enter(page, server, worlds.en.student);
  await page.goto(`${server.url}/account/preferences`);
  await page.evaluate(() => (window.same = true));
  await page.getByLabel("Language", { exact: true }).selectOption({ label: "繁體中文" });
  await page.getByRole("heading", { name: "您的帳號" }).waitFor();
  assert.equal(await page.getAttribute("html", "lang"), "zh-Hant-TW");
  assert.equal(await page.evaluate(() => window.same), true);
  await page.reload();
  await page.locator("html[lang|=zh]").waitFor();
  await page.getByLabel("語言", { exact: true }).selectOption({ label: "English" });
  await page.getByRole("heading", { name: "Your account" }).waitFor();
});
