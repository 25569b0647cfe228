// Every page and state that is looked at. A shot: who opens which address, what it waits for
// and what it then does; and the state that this is.
import { admin } from "../harness.mjs";
import { installation, ways } from "./installation.mjs";

export const early = ({ setupLink }) =>
  inBoth([
    { page: "setup", path: new URL(setupLink).pathname + new URL(setupLink).search, wait: "form" },
    { page: "setup", state: "without link", path: "/setup", wait: "h1" },
    { page: "sign-in", state: "nobody yet", path: "/sign-in", wait: "h1" },
  ]);

/** Chinese for each page that says something without being asked to, in one theme. */
const inBoth = (shots) => [...shots, ...shots.filter((s) => s.zh || (!s.open && !s.before)).map((s) => ({ ...s, locale: "zh-TW", sizes: s.zh ? [390, 1024, 1600] : [1024], themes: ["light"] }))];

const phone = [390];
const click = (role, name) => (page) => page.getByRole(role, { name }).first().click();
const dialog = (role, name) => async (page) => {
  await click(role, name)(page);
  await page.getByRole("dialog").waitFor();
};
const press = (key) => async (page) => {
  await page.locator("h1").first().waitFor();
  await page.keyboard.press(key);
  await page.getByRole("dialog").waitFor();
};
const write = (text) => async (page) => {
  await page.locator("form textarea").first().fill("");
  await page.locator("form textarea").first().pressSequentially(text);
};
// What the server would say, or not say yet.
const failing = (path) => (page) => page.route(path, (r) => r.fulfill({ status: 503, contentType: "application/json", body: JSON.stringify({ code: "unavailable", detail: "Try again in a moment", request_id: "01a22c42-07ab-74ea-b241" }) }));
const waiting = (path) => (page) => page.route(path, () => undefined);

export function pages(w) {
  const { teacher, novice, student, course, fresh, old, rooms, agents } = w;
  const c = `/courses/${course.id}`;
  const r = (room) => `/rooms/${room.id}`;
  const agent = `/agents/${agents.socrates.project}/${agents.socrates.id}`;
  const t = (page, state, path, more = {}) => ({ page, state, as: teacher, path, ...more });
  const shots = [
    { page: "sign-in", path: "/sign-in", wait: "form" },
    { page: "sign-in", state: "wrong password", path: "/sign-in?to=/courses", wait: "form", open: signInWrongly },
    { page: "sign-in", state: "forgotten", path: "/sign-in", wait: "form", open: click("button", /Forgotten/) },
    { page: "join", path: "/join", wait: "form" },
    ...["key", "course", "class"].map((step) => ({ page: "welcome", state: step, as: admin, path: `/welcome/${step}${step === "class" ? `?course=${course.id}&room=${rooms.group.id}` : ""}`, wait: "h1", zh: true })),
    { page: "reset", state: "wrong link", path: "/reset?token=x", wait: "h1" },
    t("home", "", "/home", { zh: true }),
    { page: "home", state: "student", as: student, path: "/home" },
    { page: "home", state: "first day", as: novice, path: "/home" },
    t("home", "no answer", "/home", { before: failing("**/api/v1/users/me/rooms*"), busy: true, wait: "main" }),
    t("courses", "", "/courses", { zh: true }),
    t("course new", "", "/courses/new"),
    t("course", "", c, { zh: true }),
    { page: "course", state: "student", as: student, path: c },
    t("course", "nothing in it", `/courses/${fresh.id}`),
    t("course", "archived", `/courses/${old.id}`),
    t("course", "no answer", c, { before: failing("**/overview*"), busy: true, wait: "main [role=alert], main button" }),
    t("course", "on its way", c, { before: waiting("**/overview*"), busy: true, wait: "[aria-busy=true]" }),
    t("course", "new room", c, { open: dialog("button", "New room") }),
    t("people", "", `${c}/people`, { zh: true }),
    t("people", "menu", `${c}/people`, { open: (page) => page.locator("main li button[aria-haspopup]").nth(1).click() }),
    t("people", "nobody found", `${c}/people`, { open: (page) => page.getByPlaceholder("Search people").fill("xyz") }),
    t("people", "add", `${c}/people`, { open: dialog("button", "Add a person") }),
    t("invite", "", `${c}/invite`, { zh: true }),
    t("invite", "large code", `${c}/invite`, { open: dialog("button", "Show it large") }),
    t("import", "", `${c}/import`),
    t("import", "preview", `${c}/import`, { open: preview }),
    t("announcements", "", `${c}/announcements`, { zh: true }),
    t("announcements", "new", `${c}/announcements`, { open: dialog("button", "New announcement") }),
    t("announcements", "none", `/courses/${fresh.id}/announcements`),
    t("course settings", "", `${c}/settings`, { zh: true }),
    t("course settings", "copy", `${c}/settings`, { open: dialog("button", /^Copy the course/) }),
    t("course settings", "delete", `${c}/settings`, { open: dialog("button", /^Delete the course/) }),
    t("account", "", "/account", { zh: true }),
    t("preferences", "", "/account/preferences", { zh: true }),
    t("keys", "", "/account/keys"),
    t("keys", "add", "/account/keys", { open: dialog("button", "Add a key") }),
    t("security", "new token", "/account/security", { open: dialog("button", "New token") }),
    ...ways({ teacher }),
    ...installation({ owner: admin, teacher }),
    t("agents", "", "/agents", { zh: true }),
    ...["words", "model", "speaks", "tools", "versions", "more"].map((tab) => t("agent", tab, `${agent}?tab=${tab}`, { zh: tab === "speaks" })),
    t("agent", "unsaved", `${agent}?tab=words`, { open: (page) => page.getByLabel("Name", { exact: true }).fill("Socrates the elder") }),
    t("room agents", "", `${r(rooms.group)}/agents`, { zh: true }),
    t("room agent new", "", `${r(rooms.group)}/agents/new`, { zh: true }),
    t("room", "everything", r(rooms.group), { wait: "article", zh: true }),
    t("room", "everything, its end", r(rooms.group), { wait: "article", open: (page) => page.getByRole("button", { name: "To the newest" }).click({ timeout: 5000 }).catch(() => undefined) }),
    { page: "room", state: "everything student", as: student, path: r(rooms.group), wait: "article" },
    t("room", "panel", r(rooms.group), { wait: "article", sizes: [390, 1024], open: (page) => page.locator("[aria-controls=room-panel]").click() }),
    t("room", "thread", `${r(rooms.group)}?thread=1`, { wait: "article" }),
    t("room", "search", `${r(rooms.group)}?find=angle`, { wait: "article" }),
    t("search", "", "/search", { wait: "h1" }),
    t("search", "found", "/search?q=angle", { wait: "main li" }),
    t("agent connect", "", "/agents/connect", { wait: "h1" }),
    t("room", "calling", r(rooms.group), { wait: "article", open: write("@") }),
    t("room", "long draft", r(rooms.group), { wait: "article", open: write("A draft that is longer than one line, with **Markdown** and 中文, so that the box grows as it is written, and goes on growing until it has reached two fifths of the page.") }),
    { page: "room", state: "two thousand", as: student, path: r(rooms.big), wait: "article" },
    t("room", "thinking", r(rooms.third), { wait: "article" }),
    t("room", "empty", r(rooms.quiet)),
    t("room", "on its way", r(rooms.group), { before: waiting("**/messages*"), busy: true, wait: "[aria-busy=true]" }),
    t("room", "not there", "/rooms/0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90"),
    t("side list", "", "/home", { sizes: phone, open: click("button", /list of rooms/) }),
    t("palette", "", "/home", { open: press("Control+k") }),
    t("shortcuts", "", "/home", { open: press("?") }),
    t("nowhere", "", "/not/here"),
  ];
  return inBoth(shots);
}

async function signInWrongly(page) {
  await page.getByLabel("User name or e-mail").fill("ada");
  await page.getByLabel("Password", { exact: true }).fill("not hers");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("alert").waitFor();
}

async function preview(page) {
  await page.getByLabel("Or paste the list").fill("name,user name,role\nAda Byron,student01,student\nMax Neu,max.neu,student\n,,\n新同學,s991,ta\nBad,bad@@,boss");
  await page.getByRole("button", { name: "See what will happen" }).click();
  await page.locator("main table, main li").first().waitFor();
}
