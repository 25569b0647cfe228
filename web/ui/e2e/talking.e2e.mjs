// What people do with what was said: they ask again, search, call others, and come back after a long outage.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { end, enter, person, root, serve, until } from "./harness.mjs";
import { scripted } from "./model.mjs";
import { box, log, rows, still } from "./room.mjs";
import { agent, fill, say, school } from "./seed.mjs";

after(end);



async function open(page, server, who, path) {
  await enter(page, server, who);
  await page.goto(`${server.url}${path}`);
  await box(page).waitFor();
}
/** Opens the list of what one can do with a message, by its row and the keyboard alone. */
async function more(row) {
  await row.focus();
  await row.getByRole("button", { name: "More" }).press("Enter");
}

test("another agent is asked about the same message, and one that has answered is asked again", async (t) => {
  const model = await scripted(t);
  const server = await serve(t, { env: model.env });
  const all = await school(server);
  const teacher = await all.person("Maria Lehrer", { role: "teacher" });
  const ada = await all.person("Ada Byron");
  const { rooms } = await all.course("Physics 8B", { teacher, students: [ada] });
  const room = rooms[0];
  await agent(teacher, room, "Socrates");
  await agent(teacher, room, "Platon 柏拉圖");

  const page = await person(t);
  await open(page, server, ada, `/rooms/${room.id}`);
  const first = model.hold("You are Socrates", "why is the sky blue");
  await box(page).fill("@Socrates why is the sky blue?");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await first.asked;
  first.end("Because of the sea.");
  await rows(page, "Because of the sea.").waitFor();

  // Another agent, from the list of the answer.
  const second = model.hold("You are Platon", "What do you say to this?");
  await more(rows(page, "Because of the sea."));
  await page.getByRole("menuitem", { name: "Ask another agent" }).press("Enter");
  const dialog = page.getByRole("dialog", { name: "Ask another agent" });
  assert.deepEqual(await dialog.getByRole("listitem").allInnerTexts(), ["Platon 柏拉圖"], "the one that has answered is none of them");
  await dialog.getByRole("button", { name: "Platon" }).press("Enter");
  const asked = await second.asked;
  assert.match(asked.text, /in this thread[\s\S]*why is the sky blue/, "it is asked about the question");
  second.end("Air scatters blue light.");
  await rows(page, "Air scatters blue light.").waitFor();
  const stored = await ada.api("GET", `/rooms/${room.id}/messages?limit=10`);
  const question = stored.messages.find((m) => m.content.includes("why is the sky blue"));
  for (const text of ["What do you say to this?", "Air scatters"]) assert.equal(stored.messages.find((m) => m.content.includes(text)).reply_to?.id, question.id, text);

  // An answer that failed: a student asks again, and another one.
  const failing = model.hold("You are Socrates", "and at night");
  await box(page).fill("@Socrates and at night?");
  await box(page).press("Enter");
  await failing.asked;
  failing.fail(400, "no");
  const failed = rows(page, "could not answer");
  await failed.getByRole("button", { name: "Ask another agent" }).click();
  const third = model.hold("You are Platon", "and at night");
  await dialog.getByRole("button", { name: "Platon" }).click();
  await third.asked;
  third.end("At night it is dark.");
  await rows(page, "At night it is dark.").waitFor();
  const repeated = model.hold("You are Socrates", "Please answer this once more.");
  await failed.getByRole("button", { name: "Ask Socrates again" }).click();
  await repeated.asked;
  repeated.end("The sun is away.");
  await rows(page, "The sun is away.").waitFor();

  // Edit and ask again.
  await more(rows(page, "why is the sky blue").first()); // what replies to it shows its text, too
  await page.getByRole("menuitem", { name: "Edit and ask again" }).press("Enter");
  const edited = page.getByRole("textbox", { name: "Edit your message" });
  await edited.fill("@Socrates why is the evening sky red?");
  const again = model.hold("You are Socrates", "evening sky red", "I have changed my message");
  await edited.press("Enter");
  assert.doesNotMatch((await again.asked).text, /sky blue/);
  again.end("The way through the air is longer.");
  await rows(page, "The way through the air is longer.").waitFor();
  assert.ok(await rows(page, "evening sky red").first().getByText("edited").isVisible());
});

const seqOf = (page, seq) => log(page).locator(`[data-seq="${seq}"]`);
/** How far below the upper edge of the log a message stands. */
const offset = (page, seq) => seqOf(page, seq).evaluate((row) => row.getBoundingClientRect().top - row.closest("[role=log]").getBoundingClientRect().top);
const stands = (page, seq) => still(page, () => offset(page, seq).catch(() => null), `message ${seq}`);
/** The message that stands first in the log, as somebody reads there. */
const first = (page) =>
  log(page).evaluate((el) => {
    const edge = el.getBoundingClientRect().top;
    return Number([...el.querySelectorAll("[data-seq]")].find((row) => row.getBoundingClientRect().top >= edge).dataset.seq);
  });

test("a search in the room and in all rooms comes back to where one was", async (t) => {
  const server = await serve(t);
  const all = await school(server);
  const teacher = await all.person("Maria Lehrer", { role: "teacher" });
  const [ada, bo] = [await all.person("Ada Byron"), await all.person("Bo Li 李博")];
  const { rooms } = await all.course("Physics 8B", { teacher, students: [ada, bo], rooms: ["Class", "Group 2"] });
  const texts = await fill(rooms[0], [teacher, bo], 150, (i) => `Message number ${i}`);
  const pear = await say(bo, rooms[0], "A pear falls 梨子");
  await say(teacher, rooms[0], "A pear is green");
  const other = await say(bo, rooms[1], "A pear in the other room");
  assert.equal(texts.size, 150);

  const page = await person(t);
  await open(page, server, ada, `/rooms/${rooms[0].id}/40`);
  await stands(page, 40);
  await seqOf(page, 40).press("ArrowUp");
  const where = await first(page);
  const before = await stands(page, where);

  await page.keyboard.press("/");
  const search = page.getByRole("combobox", { name: "Search in this room" });
  await search.fill("from:bo pear");
  const results = page.getByRole("listbox", { name: "Results" }).getByRole("option");
  await until(async () => (await results.count()) === 1, "one result");
  await search.press("ArrowDown");
  await search.press("Enter");
  await seqOf(page, pear.seq).waitFor();
  assert.ok(await search.evaluate((el) => el === document.activeElement), "the box keeps the focus");
  await search.fill("梨");
  await until(async () => (await results.count()) === 1, "one letter of Chinese is enough");
  await search.press("Escape");
  await search.waitFor({ state: "detached" });
  assert.ok(Math.abs((await stands(page, where)) - before) < 2, "one is back, to the pixel");

  await page.goto(`${server.url}/search`);
  const everywhere = page.getByRole("combobox", { name: "Search all your rooms" });
  await everywhere.fill('in:"Group 2" pear');
  await until(async () => (await results.count()) === 1, "the room to be filtered");
  await everywhere.fill("pear");
  await until(async () => (await results.count()) === 3, "all rooms");
  await everywhere.fill('in:"Group 2" pear');
  await until(async () => (await results.count()) === 1, "the room to be filtered again");
  await everywhere.press("Enter");
  await page.waitForURL(`**/rooms/${rooms[1].id}/${other.seq}`);
  await seqOf(page, other.seq).waitFor();
  await page.goBack();
  await until(async () => (await results.count()) === 1, "what was found to be there again");
  assert.equal(await everywhere.inputValue(), 'in:"Group 2" pear');
});

test("people, agents, rooms, emoji and commands are completed by keyboard", async (t) => {
  const server = await serve(t);
  const all = await school(server);
  const teacher = await all.person("Maria Lehrer", { role: "teacher" });
  const [ada, bo] = [await all.person("Ada Byron"), await all.person("王小明", { username: "ming" })];
  const { rooms } = await all.course("Physics 8B", { teacher, students: [ada, bo], rooms: ["Class", "Lab 實驗室"] });
  await agent(teacher, rooms[0], "Platon 柏拉圖");
  const page = await person(t);
  await open(page, server, teacher, `/rooms/${rooms[0].id}`);
  const options = page.getByRole("listbox", { name: "Suggestions" }).getByRole("option");
  const pick = async (typed, n, key = "Enter") => {
    await box(page).pressSequentially(typed);
    if (n === undefined) await options.first().waitFor();
    else await until(async () => (await options.count()) === n, `${n} suggestions for ${typed}`);
    await box(page).press(key);
  };
  await pick("@柏拉", 1);
  await pick("@小明", 1, "Tab");
  await pick("#實驗", 1);
  await pick(":smi", undefined, "Tab");
  const text = await box(page).inputValue();
  assert.match(text, /^@Platon 柏拉圖 @王小明 #Lab 實驗室 \p{Emoji}/u);
  await box(page).press("Escape");
  await box(page).fill("@");
  await options.first().waitFor();
  await box(page).press("Escape");
  await options.first().waitFor({ state: "detached" });
  assert.equal(await box(page).inputValue(), "@", "Escape closes the list alone");
  await box(page).fill(`${text}hello`);
  await box(page).press("Enter");
  const link = log(page).getByRole("link", { name: "#Lab 實驗室" });
  await link.waitFor();
  const { messages } = await teacher.api("GET", `/rooms/${rooms[0].id}/messages?limit=5`);
  assert.deepEqual(messages[0].mentions.map((m) => m.name).sort(), ["Platon 柏拉圖", "王小明"].sort());

  await box(page).fill("");
  await box(page).pressSequentially("/");
  await options.first().waitFor();
  assert.ok(!(await options.allInnerTexts()).some((o) => o.includes("/goon")), "nothing is held, so nothing is to go on");
  await pick("sea", 1);
  await page.getByRole("combobox", { name: "Search in this room" }).waitFor();
  assert.equal(await box(page).inputValue(), "");
});

test("an outage longer than the event log: nothing is lost, and who reads above stays there", async (t) => {
  const server = await serve(t);
  const all = await school(server);
  const teacher = await all.person("Maria Lehrer", { role: "teacher" });
  const [ada, bo] = [await all.person("Ada Byron"), await all.person("Bo Li")];
  const { rooms } = await all.course("Physics 8B", { teacher, students: [ada, bo] });
  const room = rooms[0];
  await fill(room, [teacher], 200, (i) => `Message number ${i}`);
  const { messages } = await teacher.api("GET", `/rooms/${room.id}/messages?around=60&limit=1`);

  const [above, below] = [await person(t), await person(t, { phone: true })];
  await open(above, server, ada, `/rooms/${room.id}/60`);
  await open(below, server, bo, `/rooms/${room.id}`);
  await stands(above, 60);
  await seqOf(below, 200).waitFor();
  const before = await offset(above, 60);
  const pages = [above, below];
  const lost = (page) => page.getByText(/The connection is lost|You are offline/).first();

  await server.kill();
  for (const page of pages) {
    await lost(page).waitFor();
    await page.context().setOffline(true);
  }
  await server.start();
  await teacher.api("PUT", `/rooms/${room.id}/messages/${messages[0].id}`, { text: "Changed during the outage" });
  for (let i = 1; i <= 90; i++) await say(teacher, room, `Missed ${i}`);
  await server.kill();
  execFileSync("go", ["run", "./web/ui/e2e/forget", `sqlite:${join(server.dir, "data", "coagent.db")}`], { cwd: root });
  await server.start();
  for (const page of pages) await page.context().setOffline(false);

  await rows(below, "Missed 90").waitFor();
  await seqOf(above, 60).getByText("Changed during the outage").waitFor();
  for (const page of pages) await lost(page).waitFor({ state: "detached" });
  assert.ok(Math.abs((await stands(above, 60)) - before) < 2, "what is read stays where it was");
  await above.getByRole("button", { name: "To the newest" }).click();
  await rows(above, "Missed 90").waitFor();
  await box(above).fill("Back again");
  await box(above).press("Enter");
  for (const page of pages) await rows(page, "Back again").waitFor();
  assert.equal(await rows(below, "Missed 90").count(), 1, "it is there once");
});
