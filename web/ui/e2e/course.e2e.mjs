import assert from "node:assert/strict";
import { after, test } from "node:test";
import { end, enter, person, serve, until } from "./harness.mjs";
import { school } from "./seed.mjs";

after(end);

const names = ["王小明", "Ada Byron-Lovelace", "歐陽娜娜 Nana", "Zoë O'Brien", ...Array.from({ length: 26 }, (_, i) => `學生 Student ${i + 1}`)];

test("a teacher makes a course, imports thirty people, prints their links, copies and archives it", async (t) => {
  const server = await serve(t);
  const { person: account } = await school(server);
  const teacher = await account("Rosa Klein", { role: "teacher" });
  const page = await person(t);
  await enter(page, server, teacher);
  await page.goto(`${server.url}/courses`);
  await page.getByRole("main").getByRole("link", { name: "New course" }).first().click();
  await page.getByLabel("Name of the course").fill("Physics 8B");
  await page.getByRole("button", { name: "Create the course" }).click();
  await page.getByRole("heading", { name: "Physics 8B", level: 1 }).waitFor();
  await page.getByRole("button", { name: "New room" }).first().click();
  await page.getByRole("dialog").getByRole("textbox").fill("Group A");
  await page.getByRole("dialog").getByRole("button", { name: "Create the room" }).click();
  await page.getByRole("main").getByRole("link", { name: /Group A/ }).waitFor();

  // The list is looked at line by line before anything happens.
  await page.getByRole("link", { name: "People" }).first().click();
  await page.getByRole("link", { name: "Class list" }).click();
  const csv = `Name,E-mail\n${names.map((n, i) => `"${n}",s${i + 1}@school.example`).join("\n")}\n"Nobody",not-an-address\n`;
  await page.locator("input[type=file]").setInputFiles({ name: "class.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
  await page.getByText("王小明").waitFor();
  const id = page.url().match(/courses\/([0-9a-f-]{36})/)[1];
  assert.equal((await teacher.api("GET", `/courses/${id}/members`)).length, 1, "nobody is taken in by the preview");
  await page.getByText("30 new accounts, 0 who have one, 0 already here, 1 with a fault.").waitFor();
  await page.getByRole("button", { name: "Take in 30 people" }).click();
  const sheet = page.getByRole("button", { name: "Sheet with 30 links" });
  await sheet.waitFor();
  assert.equal((await teacher.api("GET", `/courses/${id}/members`)).length, 31);
  await sheet.click();
  await until(async () => (await page.getByRole("img").count()) >= 30, "thirty codes");
  // On paper: cards alone, none cut by the end of a page.
  const pdf = await page.pdf({ format: "A4" });
  const pages = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g).length;
  assert.ok(pages >= 3 && pages <= 6, `${pages} pages for thirty cards`);
  await page.emulateMedia({ media: "print" });
  assert.ok(await page.getByRole("button", { name: "Print" }).isHidden());
  const cut = await page.locator("li", { has: page.locator("svg") }).evaluateAll((cards) => cards.filter((c) => getComputedStyle(c).breakInside !== "avoid" && c.querySelector("strong")).length);
  assert.equal(cut, 0);
  await page.emulateMedia({ media: "screen" });

  // Found by a part of a name; what another teacher's screen shows follows.
  await page.goto(`${server.url}/courses/${id}/people`);
  await page.getByRole("searchbox", { name: "Search people" }).fill("娜娜");
  await page.getByText("歐陽娜娜 Nana", { exact: true }).waitFor();
  assert.equal(await page.getByText("王小明", { exact: true }).count(), 0);

  // A copy that is closed says when it is done, with the way there.
  await page.getByRole("link", { name: "Settings" }).first().click();
  await page.getByRole("button", { name: "Copy the course…" }).click();
  await page.getByLabel("Name of the copy").fill("Physics 9B");
  await page.getByRole("dialog").getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("heading", { name: "Physics 9B", level: 1 }).waitFor();

  await page.goto(`${server.url}/courses/${id}/settings`);
  await page.getByRole("button", { name: "Archive the course" }).click();
  await page.getByRole("button", { name: "Undo" }).waitFor();
  await page.getByRole("button", { name: "Open the course again" }).waitFor();
  await page.getByRole("button", { name: "Undo" }).click();
  await until(async () => (await teacher.api("GET", `/courses/${id}`)).archived_at === undefined, "the course to be open again");
});

test("the home of a course is live, and who is removed sees it at once", async (t) => {
  const server = await serve(t);
  const { person: account, course } = await school(server);
  const teacher = await account("Rosa Klein", { role: "teacher" });
  const student = await account("Ada Byron");
  const { id, rooms } = await course("Physics", { teacher, students: [student], rooms: ["Group A"] });
  const [desk, phone] = [await person(t), await person(t, { phone: true, refused: [403, 404] })];
  await enter(desk, server, teacher);
  await enter(phone, server, student);
  await desk.goto(`${server.url}/courses/${id}`);
  await desk.getByRole("main").getByRole("link", { name: /Group A/ }).waitFor();
  await phone.goto(`${server.url}/rooms/${rooms[0].id}`);
  await desk.getByRole("main").getByText("1 here").waitFor();
  // Who it is and where, beside the rooms.
  await desk.getByRole("heading", { name: "Here now" }).locator("..").getByText("Ada Byron").waitFor();
  await student.api("POST", `/rooms/${rooms[0].id}/messages`, { text: "Is anybody there?" });
  await desk.getByRole("main").getByText("Is anybody there?").waitFor();
  await phone.goto(`${server.url}/courses/${id}`);
  await phone.getByRole("heading", { name: "Physics", level: 1 }).waitFor();
  await teacher.api("DELETE", `/courses/${id}/members/${student.id}`);
  await phone.getByText("This course is not here").waitFor();
});
