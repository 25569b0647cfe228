import assert from "node:assert/strict";
import { after, test } from "node:test";
import { cutting, end, enter, person, serve } from "./harness.mjs";
import { scripted } from "./model.mjs";
import { box, rows, write } from "./room.mjs";
import { agent, say, school } from "./seed.mjs";

after(end);

async function lesson(t) {
  const model = await scripted(t);
  const server = await serve(t, { env: model.env });
  const all = await school(server);
  const teacher = await all.person("Maria Lehrer", { role: "teacher" });
  const [ada, bo] = [await all.person("Ada Byron"), await all.person("Bo Li")];
  const { rooms } = await all.course("Physics 8B", { teacher, students: [ada, bo] });
  await agent(teacher, rooms[0], "Socrates");
  return { model, server, teacher, ada, bo, room: rooms[0] };
}

const stored = async (who, room) => (await who.api("GET", `/rooms/${room.id}/messages?limit=100`)).messages.map((m) => m.content);
async function open(page, server, who, room) {
  await enter(page, server, who);
  await page.goto(`${server.url}/rooms/${room.id}`);
  await box(page).waitFor();
}

test("the server is killed under an open room and started again: all is said once, and the answer goes on", async (t) => {
  const { model, server, teacher, ada, bo, room } = await lesson(t);
  const [here, phone] = [await person(t), await person(t, { phone: true })];
  await open(here, server, ada, room);
  await open(phone, server, bo, room);
  const tab = await here.context().newPage();
  await tab.goto(`${server.url}/rooms/${room.id}`);
  await box(tab).waitFor();

  const answer = model.hold("Socrates", "what is light");
  await write(here, "@Socrates what is light?");
  await answer.asked;
  answer.write("Light is ");
  for (const page of [here, phone, tab]) await rows(page, "Light is").waitFor();

  const again = model.hold("Socrates", "what is light").again();
  await server.kill();
  const lost = (page) => page.getByText("The connection is lost.");
  for (const page of [here, phone]) await lost(page).waitFor();
  await write(here, "Written while the server was down");
  await write(phone, "Mine too, and then the page is closed");
  await box(phone).fill("A draft of something longer");
  await rows(here, "Written while").getByText("Being sent…").waitFor();
  await rows(tab, "Written while").waitFor(); // the other tab shows it too
  await rows(phone, "Mine too").getByText("Being sent…").waitFor();
  assert.ok(await rows(here, "Light is").isVisible(), "what was there stays");
  // A reload while nothing answers.
  await phone.reload().catch((e) => assert.match(e.message, /ERR_CONNECTION_REFUSED/));
  await phone.waitForURL(/^chrome-error:/);

  await server.start();
  await phone.goto(`${server.url}/rooms/${room.id}`);
  for (const page of [here, phone, tab]) {
    await lost(page).waitFor({ state: "detached" });
    for (const text of ["Written while", "Mine too"]) {
      await rows(page, text).waitFor();
      await rows(page, text).getByText("Being sent…").waitFor({ state: "detached" });
    }
  }
  assert.equal(await box(phone).inputValue(), "A draft of something longer");
  // The answer that the server's end has cut is made anew, in the same place.
  await again.asked;
  again.write("Light is a wave, ");
  for (const page of [here, phone, tab]) await rows(page, "a wave").waitFor();
  again.end("and a particle.");
  for (const page of [here, phone, tab]) {
    await rows(page, "Light is a wave, and a particle.").waitFor();
    await page.getByText(/writing|thinking/).waitFor({ state: "detached" });
  }
  await say(teacher, room, "All are here again");
  for (const page of [here, phone, tab]) {
    await rows(page, "All are here again").waitFor();
    for (const text of ["what is light?", "Written while", "Mine too", "Light is", "All are here"]) assert.equal(await rows(page, text).count(), 1, `${text} is there once`);
  }
  const texts = await stored(teacher, room);
  assert.deepEqual(texts.toSorted(), ["@Socrates what is light?", "All are here again", "Light is a wave, and a particle.", "Mine too, and then the page is closed", "Written while the server was down"]);
});

test("where WebSockets are cut, the same comes as events and goes by HTTP", async (t) => {
  const { model, server, ada, bo, room } = await lesson(t);
  const school = await cutting(t, server);
  const [inside, home] = [await person(t), await person(t)];
  await open(home, server, bo, room);
  const events = inside.waitForRequest(/\/users\/me\/events/);
  await open(inside, school, ada, room);
  await events;
  await write(inside, "Said where sockets are cut");
  await rows(home, "Said where sockets").waitFor();
  await rows(inside, "Said where sockets").getByText("Being sent…").waitFor({ state: "detached" });
  await write(home, "Heard there at once");
  await rows(inside, "Heard there at once").waitFor();
  await home.getByText("2 here").waitFor();
  await inside.getByText("2 here").waitFor();
  await box(home).pressSequentially("I am typ");
  await inside.getByText("Bo Li is typing").waitFor();
  await box(home).fill("");

  const answer = model.hold("Socrates", "count");
  await write(inside, "@Socrates count");
  await answer.asked;
  answer.write("One, ");
  await rows(inside, "One,").waitFor();
  answer.write("two, ");
  await rows(inside, "One, two,").waitFor();
  await inside.getByRole("button", { name: "Stop Socrates" }).first().click();
  await answer.cut;
  for (const page of [inside, home]) await rows(page, "One, two,").getByText(/^stopped/).waitFor();

  await server.kill();
  await inside.getByText("The connection is lost.").waitFor();
  await write(inside, "Written in an outage");
  await server.start();
  await inside.getByText("The connection is lost.").waitFor({ state: "detached" });
  for (const page of [inside, home]) await rows(page, "Written in an outage").waitFor();
  await rows(inside, "Written in an outage").getByText("Being sent…").waitFor({ state: "detached" });
  await write(home, "And on it goes");
  await rows(inside, "And on it goes").waitFor();
  const texts = await stored(bo, room);
  for (const text of ["Said where sockets are cut", "Heard there at once", "Written in an outage", "And on it goes"]) {
    assert.equal(texts.filter((x) => x === text).length, 1, text);
    for (const page of [inside, home]) assert.equal(await rows(page, text).count(), 1, text);
  }
});
