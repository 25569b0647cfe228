import assert from "node:assert/strict";
import { after, test } from "node:test";
import { end, enter, person, serve, until } from "./harness.mjs";
import { scripted } from "./model.mjs";
import { agent, school } from "./seed.mjs";

after(end);

const instructions = (page) => page.getByLabel("Instructions", { exact: true });

test("a teacher makes an agent in a room, tries it, changes it, brings a version back and gives it hours", async (t) => {
  const model = await scripted(t);
  const server = await serve(t, { env: model.env });
  const { person: account, course } = await school(server);
  const teacher = await account("Rosa Klein", { role: "teacher" });
  const { rooms } = await course("Physics", { teacher, rooms: ["Group A"] });

  const page = await person(t, { wide: true });
  await enter(page, server, teacher);
  await page.goto(`${server.url}/rooms/${rooms[0].id}/agents`);
  await page.getByRole("link", { name: "New agent" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Socrates");
  await page.getByLabel("Provider").selectOption("openai");
  await page.getByLabel("Key", { exact: true }).fill("sk-of-a-test-0123456789");
  await page.getByRole("button", { name: "Test and keep the key" }).click();
  await page.getByLabel("Model", { exact: true }).waitFor();
  // The key that was kept a moment ago also writes: nothing is typed twice.
  model.otherwise = "You are Socrates, and ask.";
  await page.getByLabel("What is it for?").fill("It asks back.");
  await page.getByRole("button", { name: "Help me write this" }).click();
  await until(async () => (await instructions(page).inputValue()) === "You are Socrates, and ask.", "the written instructions");
  await page.getByRole("button", { name: "Make it and put it into the room" }).click();
  await page.getByRole("heading", { name: "Socrates is in Group A" }).waitFor();
  await page.getByRole("link", { name: "Open its page" }).click();

  // The sandbox is beside the page, and streams.
  const answer = model.hold("What is light?");
  await page.getByLabel("Ask Socrates").fill("What is light?");
  await page.getByLabel("Ask Socrates").press("Enter");
  const asked = await answer.asked;
  assert.match(asked.text, /You are Socrates, and ask\./);
  answer.write("What do **you**");
  const log = page.getByRole("log", { name: "Questions and answers" });
  await log.getByText("What do").waitFor();
  answer.end(" think it is?");
  await log.getByText("think it is?").waitFor();
  await log.getByText("10 tokens read, 10 written").waitFor();
  await log.getByText("What the model read").click();
  await log.getByText("You are Socrates, and ask.").waitFor();

  // A version is kept, the instructions change, a reload loses nothing, and the version comes back.
  await page.getByRole("link", { name: "Versions" }).click();
  await page.getByLabel("Keep what it is now, as").fill("before the exam");
  await page.getByRole("button", { name: "Keep a version" }).click();
  await page.getByText("before the exam", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Instructions" }).click();
  await instructions(page).fill("You are Plato.");
  await page.getByRole("region", { name: "Changes that are not saved" }).waitFor();
  await until(() => page.evaluate(() => Object.keys(localStorage).some((k) => k.includes(".agent."))), "the draft to be kept");
  await page.reload();
  await page.getByRole("button", { name: "Go on with them" }).click();
  assert.equal(await instructions(page).inputValue(), "You are Plato.");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Socrates was saved.").waitFor();
  await page.reload();
  await until(async () => (await instructions(page).inputValue()) === "You are Plato.", "the saved instructions");
  assert.equal(await page.getByRole("button", { name: "Go on with them" }).count(), 0);
  await page.getByRole("link", { name: "Versions" }).click();
  await page.getByRole("button", { name: "What differs" }).first().click();
  await page.getByText("You are Plato.").waitFor();
  await page.getByRole("button", { name: "Make the agent so again" }).click();
  await page.getByText("The agent is as it was.").waitFor();
  await page.getByRole("link", { name: "Instructions" }).click();
  assert.equal(await instructions(page).inputValue(), "You are Socrates, and ask.");

  // Its hours are read back in words.
  await page.getByRole("link", { name: "When it speaks" }).click();
  await page.getByLabel("Only at these times").check();
  const words = page.getByRole("heading", { name: "In words" }).locator("..");
  await until(async () => /\d{1,2}:\d{2}/.test(await words.innerText()), "its hours in words");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("region", { name: "Changes that are not saved" }).waitFor({ state: "detached" });

  // The stored key is the one it uses; the choice is kept.
  await page.getByRole("link", { name: "Model and key" }).click();
  await page.getByRole("checkbox", { name: /OpenAI/ }).first().check();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("region", { name: "Changes that are not saved" }).waitFor({ state: "detached" });
  const [{ user_key_ids: keys }] = await teacher.api("GET", `/users/me/agents?agent_id=${page.url().match(/[0-9a-f-]{36}(?=\?|$)/)[0]}`);
  assert.equal(keys.length, 1);
});

test("what switches off a ready-made agent says so before, and gives it back", async (t) => {
  const server = await serve(t);
  const { person: account, course } = await school(server);
  const teacher = await account("Rosa Klein", { role: "teacher" });
  const { rooms } = await course("Physics", { teacher, rooms: ["Group A"] });
  const org = await teacher.api("POST", "/organizations", { name: "School" });
  const project = await teacher.api("POST", "/projects", { name: "Lab", organization_id: org.id });
  const ready = (await teacher.api("GET", `/agents/${project.id}`)).find((a) => a.type === "teacher");
  await teacher.api("POST", `/rooms/${rooms[0].id}/agents/${ready.id}`);

  const page = await person(t);
  await enter(page, server, teacher);
  await page.goto(`${server.url}/rooms/${rooms[0].id}/agents/new`);
  await page.getByText("“Teacher” came with the project and is switched off when this one is on. It speaks in Group A now.").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("Hypatia");
  await page.getByLabel("Provider").selectOption("offline");
  await page.getByRole("button", { name: "Make it and put it into the room" }).click();
  await page.getByRole("heading", { name: "Hypatia is in Group A" }).waitFor();
  await page.getByText("“Teacher” is switched off now").waitFor();
  await page.getByRole("button", { name: "Switch Teacher on again" }).click();
  await page.getByText("Teacher is on again.").waitFor();
  const after = await teacher.api("GET", "/users/me/agents");
  assert.deepEqual(after.filter((a) => a.is_active && a.type === "teacher").map((a) => a.name).sort(), ["Hypatia", "Teacher"]);
});

test("a template of one's own begins another agent, with what no form shows", async (t) => {
  const server = await serve(t);
  const { person: account, course } = await school(server);
  const teacher = await account("Rosa Klein", { role: "teacher" });
  const { rooms } = await course("Physics", { teacher, rooms: ["Group A", "Group B"] });
  const { agent: socrates } = await agent(teacher, rooms[0], "Socrates", { capabilities: ["artifact:read"], settings: { temperature: 0.3 } });

  const page = await person(t);
  await enter(page, server, teacher);
  await page.goto(`${server.url}/agents/${socrates.project_id}/${socrates.id}?tab=more`);
  await page.getByRole("button", { name: "Keep as a template" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Asks back");
  await page.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("link", { name: "Show it" }).click();
  await page.getByRole("heading", { name: "Asks back", level: 1 }).waitFor();
  await page.goto(`${server.url}/rooms/${rooms[1].id}/agents/new`);
  await page.getByLabel("Begin with a template of yours").selectOption("Asks back");
  await page.getByLabel("Name", { exact: true }).fill("Plato");
  await page.getByLabel("Provider").selectOption("offline");
  await page.getByRole("button", { name: "Make it and put it into the room" }).click();
  await page.getByRole("heading", { name: "Plato is in Group B" }).waitFor();
  const plato = (await teacher.api("GET", "/users/me/agents")).find((a) => a.name === "Plato");
  assert.deepEqual([plato.system_prompt, plato.capabilities, plato.settings], ["You are Socrates.", ["artifact:read"], { temperature: 0.3 }]);
  assert.equal(plato.project_id, socrates.project_id);
});

test("an administrator connects a program, and its token is shown once", async (t) => {
  const server = await serve(t);
  const { api } = await school(server);
  const page = await person(t, { phone: true });
  await enter(page, server, { username: "teacher@school.example", password: "correct horse battery" });
  await page.goto(`${server.url}/agents`);
  await page.getByRole("link", { name: "Connect a program" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Tutor");
  await page.getByLabel("Address", { exact: true }).fill("https://agent.example.org/hook");
  await page.getByLabel("Not at all").check();
  await page.getByRole("button", { name: "Connect it" }).click();
  await page.getByRole("heading", { name: "Tutor is connected" }).waitFor();
  const token = await page.getByText("X-Agent-Token").locator("xpath=following-sibling::dd[1]").innerText();
  assert.match(token, /^[\w-]{43}$/);
  await page.getByRole("link", { name: "Open its page" }).click();
  await page.getByRole("button", { name: "New token" }).waitFor();
  assert.ok(!(await page.content()).includes(token), "the token is not shown again");
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "New token" }).click();
  const renewed = await page.getByText("X-Agent-Token").locator("xpath=following-sibling::dd[1]").innerText();
  assert.match(renewed, /^[\w-]{43}$/);
  assert.notEqual(renewed, token);
  assert.equal((await api("GET", "/agents/external/list")).length, 1);
});

test("the palette finds an agent, and offers what its page does; the list of shortcuts opens", async (t) => {
  const server = await serve(t);
  const { person: account, course } = await school(server);
  const teacher = await account("Rosa Klein", { role: "teacher" });
  const { rooms } = await course("物理", { teacher, rooms: ["第一組"] });
  await agent(teacher, rooms[0], "蘇格拉底");
  const page = await person(t);
  await enter(page, server, teacher);
  await page.goto(`${server.url}/courses`);
  await page.getByRole("heading", { name: "Courses", level: 1 }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog").getByRole("combobox").fill("格拉");
  await page.getByRole("option", { name: /蘇格拉底/ }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "蘇格拉底", level: 1 }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog").getByRole("combobox").fill("versions");
  await page.getByRole("option", { name: /Versions of this agent/ }).click();
  await page.getByText("No versions yet").waitFor();
  await page.locator("body").press("?");
  await page.getByRole("dialog", { name: "Shortcuts" }).getByText("Save the agent").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await page.waitForURL("**/agents");
});
