import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { end, enter, person, serve, until } from "./harness.mjs";
import { scripted } from "./model.mjs";
import { still } from "./room.mjs";
import { agent, fill, say, school } from "./seed.mjs";

after(end);

// One server for all: a room with a long past, and people who have read different parts of it.
let server, model, teacher, ada, bo, cy, big, talk, last;
const hooks = [];
before(async () => {
  const life = { after: (f) => hooks.push(f) };
  model = await scripted(life);
  server = await serve(life, { env: model.env });
  const all = await school(server);
  teacher = await all.person("Maria Lehrer", { role: "teacher" });
  [ada, bo, cy] = [await all.person("Ada Byron"), await all.person("Bo Li 李博"), await all.person("Cy Young")];
  const course = await all.course("Physics 8B", { teacher, students: [ada, bo, cy], rooms: ["Big", "Talk"] });
  [big, talk] = course.rooms;
  const texts = await fill(big, [teacher, bo], 2000);
  last = Math.max(...texts.keys());
});
after(async () => {
  for (const hook of hooks) await hook();
});

const room = (r, seq) => `${server.url}/rooms/${r.id}${seq ? `/${seq}` : ""}`;
const readTo = (who, seq) => who.api("PUT", `/rooms/${big.id}/read`, { seq });
const unreadOf = async (who, r = big) => (await who.api("GET", "/users/me/rooms")).find((m) => m.room_id === r.id).unread;
const row = (page, seq) => page.locator(`[data-seq="${seq}"]`);
const log = (page) => page.getByRole("log");
/** How far below the top edge of the log a row begins, and how far above its lower edge it ends. */
const place = (page, selector) =>
  page.evaluate((s) => {
    const [el, at] = [document.querySelector(s).getBoundingClientRect(), document.querySelector("[role=log]").getBoundingClientRect()];
    return { top: el.top - at.top, below: at.bottom - el.bottom, height: at.height };
  }, selector);
const gap = (page) => log(page).evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight);
const shown = (page) => page.locator("[data-seq]").count();

test("few unread messages: it opens at the first one, they count as read at the end, and the line stays", async (t) => {
  await readTo(ada, last - 30);
  const page = await person(t);
  await enter(page, server, ada);
  await page.goto(`${server.url}/home`);
  await until(async () => /^\(30\)/.test(await page.title()), "the title to count", () => page.title());
  await page.getByRole("navigation").getByRole("link", { name: /Big/ }).click();
  await page.locator("[data-unread]").waitFor();
  await still(page, () => place(page, "[data-unread]"));
  const at = await place(page, "[data-unread]");
  assert.ok(at.top > 0 && at.top < at.height / 3, `the unread line is near the top: ${JSON.stringify(at)}`);
  assert.match(await page.title(), /^\(30\)/, "nothing is read before it is seen");
  await page.getByRole("button", { name: "To the newest" }).click();
  await until(async () => (await unreadOf(ada)) === 0, "it to be read");
  await until(async () => !/^\(/.test(await page.title()), "the title to forget", () => page.title());
  assert.equal(await page.locator("[data-unread]").count(), 1, "the unread line stays until one leaves");
  await page.getByRole("link", { name: "Home", exact: true }).click();
  await page.getByRole("heading", { name: /Hello/ }).waitFor();
  await page.getByRole("navigation").getByRole("link", { name: /Big/ }).click();
  await row(page, last).waitFor();
  assert.equal(await page.locator("[data-unread]").count(), 0);
  assert.ok((await gap(page)) < 2, "without news it opens at the end");
});

test("many unread messages: it opens at the end, and a bar leads to the first one and back", async (t) => {
  await readTo(cy, 500);
  const page = await person(t, { phone: true });
  await enter(page, server, cy);
  await page.goto(room(big));
  await row(page, last).waitFor();
  await still(page, () => gap(page));
  assert.ok((await gap(page)) < 2, `it opens at the end: ${await gap(page)}`);
  await until(async () => (await unreadOf(cy)) === 0, "what is seen at the end to be read");
  // What was read in passing can still be reached.
  await page.getByRole("button", { name: /new messages since .* Jump/ }).click();
  await page.locator("[data-unread]").waitFor();
  await row(page, 501).waitFor();
  await still(page, () => place(page, "[data-unread]"));
  const at = await place(page, "[data-unread]");
  assert.ok(at.top > 0 && at.top < at.height / 2, `the unread line is in view: ${JSON.stringify(at)}`);
  assert.equal(await page.getByRole("button", { name: /new messages/ }).count(), 0);
  await page.getByRole("button", { name: "To the newest" }).click();
  await row(page, last).waitFor();
  await until(async () => (await gap(page)) < 2, "the end");
});

test("earlier and later parts come while one scrolls, and what is read does not move", async (t) => {
  const page = await person(t);
  await enter(page, server, bo);
  await readTo(bo, last);
  await page.goto(room(big));
  await row(page, last).waitFor();
  let release;
  await page.route(/\/messages\?.*before=/, async (route) => {
    await new Promise((resolve) => (release = resolve));
    await route.continue();
  });
  for (let i = 0; i < 4; i++) {
    const many = await shown(page);
    const first = Number(await page.locator("[data-seq]").first().getAttribute("data-seq"));
    // The wheel of a person, until the part before is asked for.
    await log(page).hover();
    await until(async () => {
      await page.mouse.wheel(0, -1500);
      return release !== undefined;
    }, "the earlier part to be asked for");
    await still(page, () => log(page).evaluate((el) => el.scrollTop));
    // The row that the eye is on.
    const eye = await page.evaluate(() => {
      const edge = document.querySelector("[role=log]").getBoundingClientRect().top;
      return [...document.querySelectorAll("[data-seq]")].find((r) => r.getBoundingClientRect().bottom > edge + 40).dataset.seq;
    });
    const before = await place(page, `[data-seq="${eye}"]`);
    release();
    release = undefined;
    await until(async () => (await shown(page)) > many, "the earlier part");
    await still(page, () => place(page, `[data-seq="${eye}"]`));
    const now = await place(page, `[data-seq="${eye}"]`);
    assert.ok(Math.abs(now.top - before.top) <= 1, `part ${i}: row ${eye} has moved from ${before.top} to ${now.top}`);
    assert.ok(Number(await page.locator("[data-seq]").first().getAttribute("data-seq")) < first);
  }
  // Nobody is disturbed by what is said meanwhile.
  const eye = await page.evaluate(() => [...document.querySelectorAll("[data-seq]")].find((r) => r.getBoundingClientRect().top > 100).dataset.seq);
  const before = await place(page, `[data-seq="${eye}"]`);
  last = (await say(teacher, big, "Said while somebody reads above")).seq;
  await page.getByRole("button", { name: "1 new message" }).waitFor();
  assert.ok(Math.abs((await place(page, `[data-seq="${eye}"]`)).top - before.top) <= 1, "a message below has moved what is read");
  await page.getByRole("button", { name: "1 new message" }).click();
  await log(page).getByText("Said while somebody reads above").waitFor();
  await until(async () => (await gap(page)) < 2, "the end");
});

test("a link to a message: signed out one signs in, then one is there; nothing counts as read", async (t) => {
  await readTo(ada, last);
  await ada.api("POST", `/rooms/${big.id}/unread`, { seq: last });
  const page = await person(t);
  await page.goto(room(big, 1000));
  await page.getByLabel("User name or e-mail").fill(ada.username);
  await page.getByLabel("Password", { exact: true }).fill(ada.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await row(page, 1000).waitFor();
  await page.waitForURL(`**/rooms/${big.id}/1000`);
  await until(() => row(page, 1000).evaluate((el) => el === document.activeElement), "the message to be focused");
  await still(page, () => place(page, '[data-seq="1000"]'));
  const at = await place(page, '[data-seq="1000"]');
  assert.ok(at.top > 0 && at.below > 0, `the message is in view: ${JSON.stringify(at)}`);
  // Down from here the rest comes in parts, without a gap and without one twice.
  await log(page).hover();
  await until(async () => {
    await page.mouse.wheel(0, 3000);
    return (await row(page, 1200).count()) > 0;
  }, "later parts");
  const seqs = await page.locator("[data-seq]").evaluateAll((rows) => rows.map((r) => Number(r.dataset.seq)));
  assert.deepEqual(seqs, Array.from({ length: seqs.length }, (_, i) => seqs[0] + i));
  assert.equal(await unreadOf(ada), 1, "nothing is read from a link into the past");
  // Another link of the same room, from its address, and the way back.
  await page.goto(room(big, 40));
  await row(page, 40).waitFor();
  await page.getByRole("button", { name: "To the newest" }).click();
  await row(page, last).waitFor();
  await until(async () => (await unreadOf(ada)) === 0, "it to be read at the end");
});

test("unread from here: all tabs count it, and it stays so while one is there", async (t) => {
  await readTo(ada, last);
  const page = await person(t);
  await enter(page, server, ada);
  await page.goto(room(big));
  const other = await page.context().newPage();
  await other.goto(`${server.url}/home`);
  await other.getByRole("heading", { name: /Hello/ }).waitFor();
  await row(page, last).waitFor();
  const from = Number(await page.locator('[data-seq]:has-text("Message number")').evaluateAll((rows) => rows.at(-4).dataset.seq));
  await row(page, from).hover();
  await row(page, from).getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Unread from here" }).click();
  const count = last - from + 1;
  await page.locator("[data-unread]").waitFor();
  for (const p of [page, other]) await until(async () => (await p.title()).startsWith(`(${count})`), "each title to count", () => p.title());
  // It was asked for: what comes now does not undo it.
  last = (await say(bo, big, "One more")).seq;
  await log(page).getByText("One more").waitFor();
  for (const p of [page, other]) await until(async () => (await p.title()).startsWith(`(${count + 1})`), "each title to count one more", () => p.title());
  assert.equal(await unreadOf(ada), count + 1);
  await page.reload();
  await page.locator("[data-unread]").waitFor();
  assert.equal(await page.evaluate(() => document.querySelector("[data-unread] ~ [data-seq]").dataset.seq), String(from));
  for (const p of [page, other]) await until(async () => !(await p.title()).startsWith("("), "each title to forget", () => p.title());
});

test("a reply leads to what it answers and back, wherever that is", async (t) => {
  const root = 120;
  const { id } = (await ada.api("GET", `/rooms/${big.id}/messages?around=${root}&limit=1`)).messages.find((m) => m.seq === root);
  const reply = await say(bo, big, "An answer to something old", { reply_to: id });
  last = reply.seq;
  const page = await person(t);
  await enter(page, server, ada);
  await readTo(ada, last);
  await page.goto(room(big));
  await row(page, reply.seq).getByTitle(/To the message of/).click();
  await row(page, root).waitFor();
  await until(() => row(page, root).evaluate((el) => el === document.activeElement), "the root to be focused");
  await row(page, root).getByRole("button", { name: "1 reply" }).click();
  await page.getByRole("log").nth(1).getByText("An answer to something old").waitFor();
  await page.goBack();
  await until(async () => (await log(page).count()) === 1, "the thread to be closed");
  await page.getByRole("button", { name: "To the newest" }).click();
  await log(page).getByText("An answer to something old").waitFor();
  await until(async () => (await gap(page)) < 2, "the end");
});

test("a long answer keeps its first line in view, and the end follows a short one", async (t) => {
  await agent(teacher, talk, "Socrates");
  for (let i = 0; i < 30; i++) await say(bo, talk, `Before the question ${i}`);
  const page = await person(t);
  await enter(page, server, ada);
  await ada.api("PUT", `/rooms/${talk.id}/read`, { seq: 30 });
  await page.goto(room(talk));
  await page.getByText("Before the question 29").waitFor();
  const answer = model.hold("Socrates", "what is light");
  await page.getByRole("textbox", { name: /Write to/ }).fill("@Socrates what is light?");
  await page.keyboard.press("Enter");
  await answer.asked;
  answer.write("It begins here.\n\n");
  const article = page.locator("article", { hasText: "It begins here." });
  await article.waitFor();
  assert.ok((await gap(page)) < 2, "a short answer is followed");
  for (let i = 1; i <= 60; i++) {
    answer.write(`Paragraph ${i} of a long answer.\n\n`);
    if (i % 15 === 0) await log(page).getByText(`Paragraph ${i} of`).waitFor();
  }
  await still(page, () => gap(page));
  const top = await article.evaluate((el) => el.getBoundingClientRect().top - el.closest("[role=log]").getBoundingClientRect().top);
  assert.ok(top >= 0 && top < 60, `the first line stays in view: ${top}`);
  const jump = page.getByRole("button", { name: "To the newest" });
  await jump.waitFor();
  answer.end("And the end.");
  await log(page).getByText("And the end.").waitFor();
  await page.getByText("writing").waitFor({ state: "detached" });
  await still(page, () => gap(page));
  assert.ok(Math.abs((await article.evaluate((el) => el.getBoundingClientRect().top - el.closest("[role=log]").getBoundingClientRect().top)) - top) <= 1, "and does not jump when it is stored");
  assert.equal(await article.count(), 1);
  await jump.click();
  await until(async () => (await gap(page)) < 2, "the end");
});
