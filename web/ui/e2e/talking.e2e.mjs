// What people do with what was said: ask another agent, edit and ask again.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { end, enter, person, serve } from "./harness.mjs";
import { scripted } from "./model.mjs";
import { agent, school } from "./seed.mjs";

after(end);

const log = (page) => page.getByRole("log", { name: "Messages" });
const box = (page) => page.getByRole("textbox", { name: /^Write to/ });
const rows = (page, text) => log(page).locator("article", { hasText: text });

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
