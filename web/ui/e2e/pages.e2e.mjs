// Pages that are not the studio's own: those about the API, that of the job queue, and a
// client of the operator's in the studio's place.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { end, person, serve, setUp } from "./harness.mjs";

after(end);

const client = join(dirname(fileURLToPath(import.meta.url)), "../../testdata/client");

async function signIn(page, server) {
  await page.goto(`${server.url}/sign-in`);
  await page.getByLabel("User name or e-mail").fill("teacher@school.example");
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Hello, Tea Cher" }).waitFor();
}

test("both pages about the API show our document", async (t) => {
  const server = await serve(t);
  const page = await person(t);
  await page.goto(`${server.url}/docs`);
  await page.locator("#docs .title").filter({ hasText: "CoAgent Studio" }).waitFor();
  await page.locator("#operations-tag-Sign-in").click();
  await page.locator("#operations-Sign-in-whoami .opblock-summary-control").click();
  await page.locator("#operations-Sign-in-whoami .opblock-body").getByText("Responses").first().waitFor();
  await page.goto(`${server.url}/redoc`);
  await page.locator("#redoc h1").filter({ hasText: "CoAgent Studio" }).waitFor();
  await page.locator("#redoc [data-section-id='operation/whoami']").getByText("Tell who is signed in").first().waitFor();
});

test("admins see the queue of jobs", async (t) => {
  const server = await serve(t);
  await setUp(server);
  // One of its libraries tries whether eval is allowed, and does without.
  const page = await person(t, { allow: /script-src. was not explicitly set/ });
  await signIn(page, server);
  await page.goto(`${server.url}/admin/queue/`);
  await page.getByText("Completed").first().waitFor();
  await page.goto(`${server.url}/admin/queue/queues`);
  await page.getByText("turns").first().waitFor();
});

test("a client of the operator has the root, and the studio stays beside it", async (t) => {
  const server = await serve(t, { env: { COAGENT_WEB_UI_DIR: client } });
  const page = await person(t);
  // The link that the program prints leads to the studio's form.
  await page.goto(server.setupLink);
  await page.getByLabel("Your name").fill("Ada Lovelace");
  await page.getByLabel("E-mail or user name").fill("ada@school.example");
  await page.getByLabel("Password", { exact: true }).fill("a long enough one");
  await page.getByRole("button", { name: "Create the account" }).click();
  await page.waitForURL("**/studio/welcome/key");
  await page.goto(`${server.url}/studio/home`);
  await page.getByRole("heading", { name: "Hello, Ada Lovelace" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Hello, Ada Lovelace" }).waitFor();
  const api = async (method, path, data) => (await page.request.fetch(`${server.url}/api/v1${path}`, { method, data })).json();
  const course = await api("POST", "/courses/", { title: "Physics" });
  const room = await api("POST", "/rooms/", { course_id: course.id, name: "Group A" });
  const student = await api("POST", "/users/", { email: "eve@school.example", full_name: "Eve", role: "student", password: "not this one, no" });
  const { url_path: reset } = await api("POST", `/users/${student.id}/password-link`);

  // The operator's client signs in, speaks over the plain socket and is found again.
  await page.goto(`${server.url}/rooms/${room.id}`);
  await page.getByRole("heading", { name: "Room" }).waitFor();
  await page.locator("#text").fill("Good morning!");
  await page.locator("#send").click();
  await page.locator("#lines").getByText("Good morning!").waitFor();
  await page.reload();
  await page.locator("#lines").getByText("Good morning!").waitFor();
  const looks = await page.evaluate(() => [getComputedStyle(document.querySelector("h1")).color, getComputedStyle(document.body).fontFamily]);
  assert.deepEqual(looks, ["rgb(0, 128, 0)", "sans-serif"]);
  await page.goto(`${server.url}/studio/rooms/${room.id}`);
  await page.getByText("Good morning!").waitFor();

  // Who sets a password by a link is then where people are.
  const other = await person(t);
  await other.goto(server.url + reset);
  await other.getByLabel("New password").fill("a password of Eve's");
  await other.getByRole("button", { name: "Set the password" }).click();
  await other.locator("#who").waitFor({ state: "attached" });
});

test("addresses of the page that was here before lead to the room", async (t) => {
  const server = await serve(t);
  const teacher = await setUp(server);
  const course = await teacher("POST", "/courses/", { title: "Physics" });
  const room = await teacher("POST", "/rooms/", { course_id: course.id, name: "Group A" });
  const page = await person(t);
  await signIn(page, server);
  for (const old of ["/", "/studio"]) {
    await page.goto(`${server.url}${old}#/rooms/${room.id}`);
    await page.getByRole("heading", { name: "Group A" }).waitFor();
    assert.equal(new URL(page.url()).pathname, `/rooms/${room.id}`);
  }
});
