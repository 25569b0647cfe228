import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { end, enter, person, serve, until } from "./harness.mjs";
import { agent, say, school } from "./seed.mjs";

after(end);

let server, all, teacher, other, ada, ta, course, room;
const hooks = [];
before(async () => {
  server = await serve({ after: (f) => hooks.push(f) });
  all = await school(server);
  teacher = await all.person("Maria Lehrer", { role: "teacher" });
  [other, ada, ta] = [await all.person("Otto Fremd", { role: "teacher" }), await all.person("Ada Byron"), await all.person("Tim Assistent")];
  course = await all.course("Physics 8B", { teacher, tas: [ta], students: [ada] });
  [room] = course.rooms;
  await agent(teacher, room, "Socrates");
});
after(async () => {
  for (const hook of hooks) await hook();
});

const pages = () => ({
  home: "/home",
  room: `/rooms/${room.id}`,
  roomAgents: `/rooms/${room.id}/agents`,
  newAgent: `/rooms/${room.id}/agents/new`,
  courses: "/courses",
  newCourse: "/courses/new",
  ...Object.fromEntries(["", "people", "invite", "import", "announcements", "settings"].map((p) => [p || "course", `/courses/${course.id}${p && "/"}${p}`])),
  installation: "/installation",
  backups: "/installation/backups",
  encryption: "/installation/keys",
  account: "/account",
  agents: "/agents",
});

/** Goes through all pages; those that are refused say so and show a way out, and the others ask for nothing that is refused. */
async function walk(t, who, refused) {
  const page = await person(t, { refused: [403, 404] });
  await enter(page, server, who);
  const denied = [];
  page.on("response", (r) => r.url().includes("/api/") && r.status() === 403 && denied.push(new URL(r.url()).pathname));
  const main = page.getByRole("main");
  for (const [name, path] of Object.entries(pages())) {
    denied.length = 0;
    await page.goto(server.url + path);
    const out = main.getByRole("link", { name: /^(To the start page|Courses)$/ });
    if (refused.includes(name)) {
      await out.first().waitFor();
      const words = await main.innerText();
      assert.match(words, /not for you|not in this room|not here|not found|permission/i, `${name} says why`);
      assert.equal(await main.getByRole("button", { name: /Try again|Save|Create|New|Make/ }).count(), 0, `${name} offers nothing that is refused`);
    } else {
      await main.getByRole("heading", { level: 1 }).first().waitFor();
      await page.waitForLoadState("networkidle");
      assert.equal(await main.getByRole("alert").count(), 0, `${name} is open: ${await main.innerText()}`);
      assert.deepEqual(denied, [], `${name} asks for nothing that is refused`);
    }
  }
  return page;
}

test("a student sees what a student may, and no controls of staff", async (t) => {
  const page = await walk(t, ada, ["newAgent", "newCourse", "invite", "import", "settings", "installation", "backups", "encryption"]);
  await page.goto(server.url + pages().room);
  await page.getByRole("textbox", { name: /Write to/ }).waitFor();
  for (const name of ["New agent", "Settings", "Why who spoke", /Let .* speak/]) assert.equal(await page.getByRole("main").getByText(name).count(), 0, String(name));
  await page.goto(server.url + pages().course);
  await page.getByRole("heading", { level: 1, name: "Physics 8B" }).waitFor();
  for (const name of ["New room", "Invite", "Settings"]) assert.equal(await page.getByText(name, { exact: true }).count(), 0, name);
});

test("an assistant leads the talk, but neither makes agents nor changes the course", async (t) => {
  const page = await walk(t, ta, ["newAgent", "newCourse", "settings", "installation", "backups", "encryption"]);
  await page.goto(server.url + pages().room);
  await page.getByRole("button", { name: "Why who spoke" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "New agent" }).count(), 0);
});

test("a teacher of another course sees nothing of this one", async (t) => {
  await walk(t, other, ["room", "roomAgents", "newAgent", "course", "people", "invite", "import", "announcements", "settings", "installation", "backups", "encryption"]);
});

test("who is signed out is asked to sign in first, on each page", async (t) => {
  const page = await person(t);
  for (const path of Object.values(pages())) {
    await page.goto(server.url + path);
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    if (path !== "/home") await page.getByText("Sign in, and you get to the page that you opened.").waitFor();
  }
  await page.goto(`${server.url}/nothing/of/this`);
  await page.getByRole("heading", { name: "This page does not exist" }).waitFor();
  await page.getByRole("link", { name: "To the start page" }).waitFor();
});

test("who is taken out of the course while the room is open is told so, and sees no more", async (t) => {
  const eve = await all.person("Eve Weg");
  await teacher.api("POST", `/courses/${course.id}/enroll`, { user_id: eve.id, role: "student" });
  const page = await person(t, { refused: [403, 404] });
  await enter(page, server, eve);
  await page.goto(server.url + pages().room);
  await page.getByRole("textbox", { name: /Write to/ }).waitFor();
  await teacher.api("DELETE", `/courses/${course.id}/members/${eve.id}`);
  await page.getByText("You are not in this room").waitFor();
  await say(teacher, room, "Nothing for Eve");
  await page.getByRole("link", { name: "To the start page" }).click();
  await page.getByText("You are in no room yet").waitFor();
  assert.equal(await page.getByText("Nothing for Eve").count(), 0);
});

test("who may no longer sign in is led out, and told so at the door", async (t) => {
  const ian = await all.person("Ian Aktiv");
  await teacher.api("POST", `/courses/${course.id}/enroll`, { user_id: ian.id, role: "student" });
  const page = await person(t, { refused: [400, 403, 404] });
  await enter(page, server, ian);
  await page.goto(server.url + pages().room);
  await page.getByRole("textbox", { name: /Write to/ }).fill("What I was about to say");
  await all.api("PUT", `/users/${ian.id}`, { is_active: false });
  await page.getByText("Your session has ended.").waitFor();
  await page.getByLabel("User name or e-mail").fill(ian.username);
  await page.getByLabel("Password", { exact: true }).fill(ian.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await all.api("PUT", `/users/${ian.id}`, { is_active: true });
  await page.getByRole("button", { name: "Sign in" }).click();
  await until(async () => (await page.getByRole("textbox", { name: /Write to/ }).inputValue()) === "What I was about to say", "the draft to be there");
});

test("what a role may do shows at once when another teacher gives or takes it", async (t) => {
  const page = await person(t, { refused: [403] });
  await enter(page, server, ada);
  await page.goto(server.url + pages().course);
  await page.getByRole("heading", { level: 1, name: "Physics 8B" }).waitFor();
  const inRoom = await page.context().newPage();
  await inRoom.goto(server.url + pages().room);
  await inRoom.getByRole("textbox", { name: /Write to/ }).waitFor();
  await inRoom.getByRole("textbox", { name: /Write to/ }).fill("half a thought");
  const give = (role) => teacher.api("PUT", `/courses/${course.id}/members/${ada.id}`, { role });
  await give("ta");
  await page.getByRole("link", { name: "Invite" }).first().waitFor();
  await inRoom.getByRole("button", { name: "Why who spoke" }).waitFor();
  await give("student");
  await page.getByRole("link", { name: "Invite" }).first().waitFor({ state: "detached" });
  await inRoom.getByRole("button", { name: "Why who spoke" }).waitFor({ state: "detached" });
  assert.equal(await inRoom.getByRole("textbox", { name: /Write to/ }).inputValue(), "half a thought", "what was being written stays");
});
