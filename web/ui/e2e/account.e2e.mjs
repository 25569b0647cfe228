// A person's account: a password that was forgotten, and what the person likes. All tests share one server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { end, enter, person, serve, until } from "./harness.mjs";
import { school } from "./seed.mjs";

const ends = [];
let server, account, course, teacher;
before(async () => {
  server = await serve({ after: (then) => ends.push(then) });
  ({ person: account, course } = await school(server));
  teacher = await account("Rosa Klein", { role: "teacher" });
});
after(async () => {
  await end();
  for (const then of ends) await then();
});

test("a forgotten password is set with a link from the teacher, and whom a teacher makes none is said", async (t) => {
  const other = await account("Max Planck", { role: "teacher" });
  const both = await account("Emmy Noether");
  const { id } = await course("Physics", { teacher, students: [both] });
  // Who came by the teacher's own code has the account from the teacher.
  const { code } = await teacher.api("PUT", `/courses/${id}/join-code`);
  const joining = { code, account: { full_name: "Ada Byron 拜倫", password: "the first long one" } };
  const joined = await fetch(`${server.url}/api/v1/courses/join`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(joining) });
  assert.equal(joined.status, 200, joined.statusText);
  const { username } = (await joined.json()).user;
  await teacher.api("POST", `/courses/${id}/enroll`, { user_id: other.id, role: "teacher" });
  await course("Algebra", { teacher: other, students: [both] });

  const phone = await person(t, { phone: true });
  await phone.goto(`${server.url}/sign-in`);
  const forgotten = phone.getByRole("button", { name: "Forgotten your password?" });
  await forgotten.click();
  await phone.getByText("Ask your teacher or the administrator for a link").waitFor();
  assert.equal(await forgotten.getAttribute("aria-expanded"), "true");

  const desk = await person(t, { refused: [403] });
  await enter(desk, server, teacher);
  await desk.goto(`${server.url}/courses/${id}/people`);
  const item = desk.getByRole("menuitem", { name: "Link for a new password" });
  const menu = (name) => desk.getByRole("button", { name: `More about ${name}` }).or(desk.getByRole("listitem").filter({ hasText: name }).locator("button[aria-haspopup=menu]"));
  // Who has another teacher, too, or is one: the page says who can.
  for (const name of ["Emmy Noether", "Max Planck"]) {
    await menu(name).first().click();
    await item.click();
    await desk.getByRole("status").getByText(/administrator/).waitFor();
    await desk.getByRole("status").getByRole("button", { name: "Close" }).first().click();
  }
  await menu("Ada Byron 拜倫").first().click();
  await item.click();
  await desk.getByRole("heading", { name: "1 link to hand out" }).waitFor();
  await desk.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await desk.getByRole("button", { name: "Copy the link of Ada Byron 拜倫" }).click();
  let link = "";
  await until(async () => (link = await desk.evaluate(() => navigator.clipboard.readText())).startsWith(server.url), "the link on the clipboard");

  await phone.goto(link);
  await phone.getByLabel("New password").fill("quite another one");
  assert.doesNotMatch(phone.url(), /token|#/, "the address keeps no token");
  await phone.getByRole("button", { name: "Set the password" }).click();
  await phone.getByRole("heading", { name: "Hello, Ada Byron 拜倫" }).waitFor();
  const tried = (password) => phone.request.post(`${server.url}/api/v1/login/access-token`, { form: { username, password } });
  assert.equal((await tried("the first long one")).status(), 400, "the old password is over");
  assert.equal((await tried("quite another one")).status(), 200);
  // A link works once, and says so.
  const late = await person(t, { refused: [403] });
  await late.goto(link);
  await late.getByLabel("New password").fill("a third long one");
  await late.getByRole("button", { name: "Set the password" }).click();
  await late.getByRole("alert").first().waitFor();
});

test("density, theme and language are the person's, on every device and after a reload", async (t) => {
  const me = await account("Lise Meitner", { role: "teacher" });
  const { rooms } = await course("Chemistry", { teacher: me, rooms: ["Lab"] });
  await me.api("POST", `/rooms/${rooms[0].id}/messages`, { text: "A line of the lab" });
  const page = await person(t);
  await enter(page, server, me);
  const height = async (of) => {
    await of.goto(`${server.url}/rooms/${rooms[0].id}`);
    return (await of.getByRole("article").filter({ hasText: "A line of the lab" }).boundingBox()).height;
  };
  const roomy = await height(page);
  await page.goto(`${server.url}/account/preferences`);
  const root = page.locator("html");
  await page.getByLabel("Density").selectOption("compact");
  await page.locator("html[data-density=compact]").waitFor();
  await page.getByLabel("Theme").selectOption({ label: "Dark" });
  await page.locator("html[data-theme*=dark]").waitFor();
  await page.getByLabel("Language", { exact: true }).selectOption({ label: "繁體中文" });
  await page.getByRole("heading", { name: "語言與外觀" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "語言與外觀" }).waitFor();
  assert.match(await root.getAttribute("data-theme"), /dark/);
  assert.equal(await root.getAttribute("lang"), "zh-Hant-TW");

  const second = await person(t);
  await enter(second, server, me);
  for (const of of [page, second]) {
    const compact = await height(of);
    assert.ok(compact < roomy, `a row has ${compact} pixels in compact, ${roomy} otherwise`);
    assert.match(await of.locator("html").getAttribute("data-theme"), /dark/);
    assert.equal(await of.locator("html").getAttribute("lang"), "zh-Hant-TW");
  }
});

// Counts what a page plays and shows, and lets a test say whether the page is in front.
function recorder() {
  const heard = (window.heard = { sounds: 0, shown: [], front: true });
  // Nothing sounds here: a sound is two tones, and the first one makes the count.
  window.AudioContext = class {
    state = "running";
    currentTime = 0;
    createGain = () => (heard.sounds++, { connect() {}, gain: { setValueAtTime() {}, exponentialRampToValueAtTime() {} } });
    createOscillator = () => ({ frequency: {}, connect() {}, start() {}, stop() {} });
  };
  window.Notification = class {
    static permission = "granted";
    constructor(title, more) {
      heard.shown.push({ title, body: more.body, click: () => this.onclick() });
    }
    close() {}
  };
  document.hasFocus = () => heard.front;
  // The lock with which one of several tabs plays would hide a second sound.
  const request = navigator.locks.request.bind(navigator.locks);
  navigator.locks.request = (name, ...more) => (name === "coagent.sound" ? more.at(-1)({}) : request(name, ...more));
}

test("a mention sounds where the person wants it, and the browser tells only behind another window", async (t) => {
  const me = await account("Otto Hahn");
  const { rooms } = await course("Radiation", { teacher, students: [me], rooms: ["Quiet", "Loud", "Other"] });
  const [quiet, loud, plain] = rooms;
  const page = await person(t);
  await page.addInitScript(recorder);
  await enter(page, server, me);
  await me.api("PUT", "/users/me/preferences", { notify: "mentions" });
  const at = () => page.evaluate(() => ({ sounds: window.heard.sounds, shown: window.heard.shown.map(({ title, body }) => `${title}: ${body}`) }));
  const open = async () => {
    await page.goto(`${server.url}/rooms/${quiet.id}`);
    await page.getByLabel("Write to Quiet").waitFor();
    await page.getByRole("navigation").getByRole("link", { name: /Loud/ }).first().waitFor();
  };
  // The list beside shows it after it was told.
  const say = async (text, n) => {
    await teacher.api("POST", `/rooms/${loud.id}/messages`, { text: `@Otto Hahn ${text}`, mentions: [{ kind: "person", id: me.id }] });
    await page.getByRole("navigation").getByRole("link", { name: /Loud/ }).getByText(`@${n}`).waitFor();
  };
  await open();
  await say("no sound at first", 1);
  assert.deepEqual(await at(), { sounds: 0, shown: [] });
  await me.api("PUT", "/users/me/preferences", { sound: true });
  await open();
  await teacher.api("POST", `/rooms/${plain.id}/messages`, { text: "an ordinary message" });
  await page.getByRole("navigation").getByRole("link", { name: /Other/ }).getByText("1", { exact: true }).waitFor();
  assert.deepEqual(await at(), { sounds: 0, shown: [] }, "an ordinary message is not told");
  await say("with a sound", 2);
  await until(async () => (await at()).sounds === 1, "one sound");
  assert.deepEqual((await at()).shown, [], "in front nothing is shown by the browser");

  await page.evaluate(() => (window.heard.front = false));
  await say("behind another window", 3);
  await until(async () => (await at()).shown.length === 1, "a notification");
  assert.match((await at()).shown[0], /^Rosa Klein · Loud: .*behind another window/);
  await page.evaluate(() => window.heard.shown[0].click());
  await page.waitForURL(`**/rooms/${loud.id}*`);
  await page.getByRole("log").getByText("behind another window").waitFor();
});
