import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { end, enter, person, serve, until } from "./harness.mjs";
import { scripted } from "./model.mjs";
import { box, log, rows, write } from "./room.mjs";
import { agent, school } from "./seed.mjs";

after(end);

// A class hour: a teacher at a desk, one student beside, one on a phone, and two agents.
let server, model, teacher, ada, bo, cy, course, room;
const hooks = [];
before(async () => {
  const life = { after: (f) => hooks.push(f) };
  model = await scripted(life);
  // An agent that calls another one is soon told to let a person speak.
  server = await serve(life, { env: { ...model.env, COAGENT_TURNS_MAX_AGENT_ROW: "1", COAGENT_TURNS_YIELD_TO_TYPING: "0s" } });
  const all = await school(server);
  teacher = await all.person("Maria Lehrer", { role: "teacher" });
  [ada, bo, cy] = [await all.person("Ada Byron"), await all.person("Bo Li 李博", { username: "bo" }), await all.person("Cy Young")];
  course = await all.course("Physics 8B", { teacher, students: [ada, bo, cy] });
  [room] = course.rooms;
  await agent(teacher, room, "Socrates", { capabilities: ["artifact:read", "artifact:write", "artifact:delete"] });
  await agent(teacher, room, "Einstein", { type: "student", settings: { review: { enabled: false } } });
});
after(async () => {
  for (const hook of hooks) await hook();
});

const working = (page) => log(page).locator("article", { hasText: /writing|thinking/ });
const everywhere = (pages, fn) => Promise.all(pages.map(fn));
async function open(page, who) {
  await enter(page, server, who);
  await page.goto(`${server.url}/rooms/${room.id}`);
  await box(page).waitFor();
  return page;
}
/** The desk, the student beside, the phone. */
const lesson = async (t) => [await open(await person(t, { wide: true }), teacher), await open(await person(t), ada), await open(await person(t, { phone: true }), bo)];
/** A choice of what one may do with a message, by a mouse or by a finger. */
async function choose(page, text, name) {
  const row = rows(page, text);
  if (await page.evaluate(() => matchMedia("(hover: none)").matches)) await row.tap({ position: { x: 200, y: 12 } });
  else await row.hover();
  await row.getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name }).click();
}

test("people come, type and talk; an answer streams in its place on all screens, also for who comes late", async (t) => {
  const [desk, beside, phone] = await lesson(t);
  await everywhere([desk, beside], (page) => page.getByText("3 here", { exact: true }).waitFor());
  await phone.getByRole("button", { name: "People and agents" }).click();
  await until(async () => (await phone.getByRole("dialog").getByText("Here now").count()) === 3, "three to be there");
  await phone.getByRole("dialog").getByRole("button", { name: "Close" }).click();

  await box(beside).pressSequentially("@So");
  await everywhere([desk, phone], (page) => page.getByText("Ada Byron is typing").waitFor());
  assert.equal(await beside.getByText("is typing").count(), 0, "nobody is told of oneself");
  await beside.getByRole("option", { name: /Socrates/ }).waitFor();
  await beside.keyboard.press("Enter");
  await box(beside).pressSequentially("what is light?");
  const answer = model.hold("Socrates", "what is light");
  await beside.keyboard.press("Enter");
  await everywhere([desk, beside, phone], (page) => rows(page, "@Socrates what is light?").waitFor());
  await answer.asked;
  await everywhere([desk, beside, phone], async (page) => {
    await working(page).waitFor();
    // The row that is there now is to be there until the end.
    await log(page).locator("article").last().evaluate((el) => (el.kept = true));
  });
  answer.write("Light is **both");
  await everywhere([desk, beside, phone], (page) => rows(page, "Light is both").waitFor());
  answer.write("** a wave ");
  await everywhere([desk, beside, phone], (page) => rows(page, "both a wave").waitFor());

  const late = await open(await person(t), cy);
  await rows(late, "Light is both a wave").waitFor();
  await desk.getByText("4 here", { exact: true }).waitFor();
  answer.end("and a particle.");
  await everywhere([desk, beside, phone, late], async (page) => {
    await rows(page, "Light is both a wave and a particle.").waitFor();
    await working(page).waitFor({ state: "detached" });
    assert.equal(await log(page).locator("article", { hasText: "Light is" }).count(), 1);
    assert.equal(await rows(page, "Light is").getByText("Agent", { exact: true }).count(), 1);
  });
  await everywhere([desk, beside, phone], async (page) => assert.ok(await rows(page, "Light is").evaluate((el) => el.kept === true), "the row is the same from the first sign to the end"));
});

test("an answer is stopped by who asked, one that failed is asked for again", async (t) => {
  const [desk, beside, phone] = await lesson(t);
  const long = model.hold("Socrates", "tell me all");
  await write(phone, "@Socrates tell me all");
  await long.asked;
  long.write("First of all, ");
  await everywhere([desk, beside, phone], (page) => rows(page, "First of all,").waitFor());
  assert.equal(await beside.getByRole("button", { name: "Stop Socrates" }).count(), 0, "who did not ask cannot stop it");
  await rows(phone, "First of all").getByRole("button", { name: "Stop Socrates" }).click();
  await long.cut;
  await everywhere([desk, beside, phone], (page) => rows(page, "First of all,").getByText("stopped in the middle").waitFor());

  // By the button where the sending was, at the desk.
  const second = model.hold("Socrates", "and once more");
  await write(beside, "@Socrates and once more");
  await second.asked;
  second.write("Once more, ");
  await rows(desk, "Once more,").waitFor();
  await desk.locator("form").getByRole("button", { name: "Stop Socrates" }).click();
  await second.cut;
  await everywhere([desk, beside, phone], (page) => rows(page, "Once more,").getByText("stopped in the middle").waitFor());

  model.hold("Socrates", "will it fail").fail(400, "this model is closed today");
  await write(beside, "@Socrates will it fail?");
  await everywhere([desk, beside, phone], (page) => log(page).getByText("could not answer").waitFor());
  await desk.getByText(/closed today/).first().waitFor();
  assert.equal(await beside.getByText(/closed today/).count(), 0, "students are not told why");
  model.otherwise = "It did not fail for good.";
  await beside.getByRole("button", { name: "Ask Socrates again" }).waitFor(); // a student does it by a message
  await desk.getByRole("button", { name: "Ask Socrates again" }).click();
  await everywhere([desk, beside, phone], (page) => rows(page, "It did not fail for good.").waitFor());
  model.otherwise = "I see.";
});

test("messages are reacted to, changed, deleted, brought back and hidden, on all screens", async (t) => {
  const [desk, beside, phone] = await lesson(t);
  await write(beside, "Light is a particle, I say");
  await everywhere([desk, phone], (page) => rows(page, "Light is a particle, I say").waitFor());
  const line = (page) => rows(page, "Light is a particle, I say");
  await line(phone).tap({ position: { x: 200, y: 12 } });
  await line(phone).getByRole("button", { name: "React" }).tap();
  await phone.getByRole("menuitem", { name: "👍" }).tap();
  await everywhere([desk, beside, phone], (page) => line(page).getByRole("button", { name: "👍 from 1" }).waitFor());
  await line(beside).getByRole("button", { name: "👍 from 1" }).click();
  await everywhere([desk, beside, phone], (page) => line(page).getByRole("button", { name: "👍 from 2" }).waitFor());
  assert.equal(await line(beside).getByRole("button", { name: "👍 from 2" }).getAttribute("aria-pressed"), "true");
  assert.equal(await line(desk).getByRole("button", { name: "👍 from 2" }).getAttribute("aria-pressed"), "false");

  await box(beside).press("ArrowUp");
  await beside.getByRole("textbox", { name: "Edit your message" }).fill("Light is a wave, I say now");
  await beside.keyboard.press("Enter");
  await everywhere([desk, beside, phone], (page) => rows(page, "Light is a wave, I say now").getByText("edited").waitFor());
  await everywhere([desk, beside, phone], (page) => rows(page, "I say now").getByRole("button", { name: "👍 from 2" }).waitFor());

  await choose(beside, "I say now", "Delete");
  await everywhere([desk, phone], (page) => rows(page, "This message was deleted.").waitFor());
  await rows(beside, "You deleted this message.").waitFor();
  await beside.getByRole("button", { name: "Undo" }).click();
  await everywhere([desk, beside, phone], (page) => rows(page, "Light is a wave, I say now").waitFor());
  assert.equal(await rows(desk, "This message was deleted.").count(), 0);

  await write(phone, "Something rude");
  await rows(desk, "Something rude").waitFor();
  await choose(desk, "Something rude", "Hide from the others");
  await everywhere([beside, phone], (page) => rows(page, "Staff have hidden this message.").waitFor());
  await rows(desk, "Something rude").getByText("Only staff see this message.").waitFor();
  assert.equal(await rows(beside, "Something rude").count(), 0);
  await rows(desk, "Something rude").getByRole("button", { name: "Show it again" }).click();
  await everywhere([desk, beside, phone], (page) => rows(page, "Something rude").waitFor());
});

test("a picture is pasted and a file dropped; all see the one and can load the other", async (t) => {
  const [desk, beside, phone] = await lesson(t);
  await box(beside).evaluate(async (el) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 320 });
    canvas.getContext("2d").fillRect(10, 10, 600, 200);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    const data = new DataTransfer();
    data.items.add(new File([blob], "experiment.png", { type: "image/png" }));
    el.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await box(beside).evaluate((el) => {
    const data = new DataTransfer();
    data.items.add(new File(["time;height\n1;5\n"], "測量 results.csv", { type: "text/csv" }));
    el.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await beside.getByText("experiment.png").waitFor();
  await beside.getByText("測量 results.csv").waitFor();
  await box(beside).fill("Our results");
  const send = beside.getByRole("button", { name: "Send", exact: true });
  await until(() => send.isEnabled(), "the files to be there");
  await send.click();
  await everywhere([desk, beside, phone], async (page) => {
    const picture = rows(page, "Our results").getByRole("img", { name: "experiment.png" });
    await picture.waitFor();
    await until(() => picture.evaluate((el) => el.complete && el.naturalWidth > 0), "the picture to be loaded");
    assert.equal(await rows(page, "Our results").getByRole("link", { name: /測量 results.csv/ }).getAttribute("download"), "測量 results.csv");
  });
  const [download] = await Promise.all([desk.waitForEvent("download"), rows(desk, "Our results").getByRole("link", { name: /測量/ }).click()]);
  assert.equal(download.suggestedFilename(), "測量 results.csv");
});

test("staff decide what an agent may do, let agents go on, and are told why each spoke", async (t) => {
  const [desk, beside, phone] = await lesson(t);
  const doc = await teacher.api("POST", `/workspaces/${room.id}/artifacts`, { type: "doc", title: "Old notes" });
  model.hold("Socrates", "delete the old notes").call("manage_artifact", { action: "delete", artifact_id: doc.id }).end();
  const then = model.hold("Socrates", "delete the old notes");
  await write(beside, "@Socrates delete the old notes");
  await everywhere([beside, phone], (page) => log(page).getByText("waiting for staff").waitFor());
  await desk.getByRole("button", { name: "1 waits for you" }).waitFor();
  assert.equal(await beside.getByRole("button", { name: "Allow" }).count(), 0);
  await log(desk).getByRole("button", { name: "Allow" }).click();
  await then.asked;
  then.end("The old notes are gone.");
  await everywhere([desk, beside, phone], (page) => rows(page, "The old notes are gone.").waitFor());
  await desk.getByRole("button", { name: "1 waits for you" }).waitFor({ state: "detached" });
  await log(desk).getByText(/Maria Lehrer has allowed Socrates/).waitFor();
  assert.deepEqual(await teacher.api("GET", `/workspaces/${room.id}/artifacts`), []);

  // One agent calls another: the second waits for a person, or for staff.
  model.hold("You are Socrates.", "who is right").end("@Einstein, what do you say?");
  const other = model.hold("You are Einstein.");
  await write(phone, "@Socrates who is right?");
  await everywhere([desk, beside, phone], (page) => rows(page, "@Einstein, what do you say?").waitFor());
  await log(desk).getByText(/may not go on for now/).waitFor();
  await log(desk).getByRole("button", { name: "Go on" }).click();
  await other.asked;
  other.end("God does not play dice.");
  await everywhere([desk, beside, phone], (page) => rows(page, "God does not play dice.").waitFor());
  assert.equal(await log(desk).getByRole("button", { name: "Go on" }).count(), 0, "it has been done");

  await desk.getByRole("button", { name: "Why who spoke" }).click();
  await desk.getByText("Socrates: speaks").first().waitFor();
  await desk.getByText("it was called by name").first().waitFor();
  assert.equal(await beside.getByRole("button", { name: "Why who spoke" }).count(), 0);
});

test("a budget that is used up and a course that is archived say so, and the room opens again", async (t) => {
  const [desk, beside, phone] = await lesson(t);
  const budget = await teacher.api("POST", "/budgets", { scope_kind: "room", scope_id: room.id, period: "total", unit: "tokens", cap: 1 });
  await write(beside, "@Socrates are you there?");
  await everywhere([desk, beside, phone], (page) => log(page).getByText("budget is used up").waitFor());
  await teacher.api("DELETE", `/budgets/${budget.id}`);

  await teacher.api("POST", `/courses/${course.id}/archive`);
  await everywhere([desk, beside, phone], async (page) => {
    await page.getByText("This course is archived: you can read everything, but not write.").waitFor();
    assert.equal(await box(page).count(), 0);
  });
  await beside.reload();
  await rows(beside, "are you there?").waitFor();
  await log(beside).evaluate((el) => el.scrollTo(0, el.scrollHeight));
  await rows(beside, "are you there?").hover();
  assert.equal(await beside.getByRole("button", { name: "React" }).count(), 0);
  await rows(beside, "are you there?").getByRole("button", { name: "More" }).click();
  await beside.getByRole("menuitem", { name: "Copy the text" }).waitFor();
  for (const name of ["Edit", "Delete"]) assert.equal(await beside.getByRole("menuitem", { name, exact: true }).count(), 0, name);
  await teacher.api("DELETE", `/courses/${course.id}/archive`);
  await everywhere([desk, beside, phone], (page) => box(page).waitFor());
  await write(phone, "We may write again");
  await everywhere([desk, beside, phone], (page) => rows(page, "We may write again").waitFor());
});
