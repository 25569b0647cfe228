// What lasts while a page stays open, and what ends with the session.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { end, enter, person, serve, until } from "./harness.mjs";
import { log } from "./room.mjs";
import { say, school } from "./seed.mjs";

after(end);

test("the access token runs out under an open page: it is renewed once, and the page goes on", async (t) => {
  const server = await serve(t);
  const s = await school(server);
  const [teacher, ada] = [await s.person("Maria Lehrer", { role: "teacher" }), await s.person("Ada Byron")];
  const { rooms } = await s.course("Physics", { teacher, students: [ada], rooms: ["Light"] });
  const page = await person(t);
  const renewals = [];
  page.on("response", (r) => r.url().endsWith("/login/refresh") && renewals.push(r.status()));
  await enter(page, server, ada);
  await page.goto(`${server.url}/rooms/${rooms[0].id}`);
  await log(page).waitFor();
  await page.evaluate(() => (window.same = true));
  // As the browser does when the cookie's time is over.
  await page.context().clearCookies({ name: "access_token" });
  await page.getByRole("link", { name: "Home", exact: true }).first().click();
  await page.getByRole("heading", { name: "Hello, Ada Byron" }).waitFor();
  await page.goto(`${server.url}/account/security`);
  await page.getByText("This device").waitFor();
  await page.context().clearCookies({ name: "access_token" });
  await page.getByRole("link", { name: "Light", exact: false }).first().click();
  await log(page).waitFor();
  await until(() => renewals.length > 0, "a renewal");
  assert.ok(renewals.every((status) => status === 200), renewals.join());
  await say(teacher, rooms[0], "Still there?");
  await log(page).getByText("Still there?").waitFor();
});

test("the socket closes at the sign-out, and none is opened at the door", async (t) => {
  const server = await serve(t);
  const s = await school(server);
  const ada = await s.person("Ada Byron");
  const page = await person(t);
  const sockets = [];
  page.on("websocket", (ws) => sockets.push(ws));
  await enter(page, server, ada);
  await page.goto(`${server.url}/home`);
  await page.getByRole("heading", { name: "Hello, Ada Byron" }).waitFor();
  await until(() => sockets.length === 1, "the socket");
  await page.getByRole("button", { name: "Sign out", exact: true }).last().click();
  await page.getByLabel("User name or e-mail").waitFor();
  await until(() => sockets.every((ws) => ws.isClosed()), "the socket to be closed");
  assert.equal(sockets.length, 1);
});
