// How soon something is seen on a processor that is four times slower, and how much script comes
// for it: the median of five first visits. It reports and asserts nothing; times are a machine's.
import { readFileSync } from "node:fs";
import { launch, serve, setUp, signedIn } from "./harness.mjs";

const ends = [];
const t = { after: (end) => ends.unshift(end) };
const browser = await launch();
t.after(() => browser.close());
try {
  const { url, who, room } = process.argv[2] ? kept(process.argv[2]) : await fresh();
  await report("sign-in", `${url}/sign-in`, undefined, "form");
  await report("home", `${url}/home`, who, "main h1");
  await report("room", `${url}/rooms/${room}`, who, "article");

  async function report(name, address, as, what) {
    const runs = [];
    for (let i = 0; i < 5; i++) runs.push(await visit(address, as, what));
    const median = (of) => runs.map(of).sort((a, b) => a - b)[2];
    console.log(`${name}: first paint ${median((r) => r.paint)} ms, ${what} ${median((r) => r.there)} ms, ${median((r) => r.scripts)} scripts, ${median((r) => r.bytes)} bytes of script as sent`);
  }

  async function visit(address, as, what) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    if (as) await context.request.post(`${url}/api/v1/login/access-token`, { form: as });
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    await cdp.send("Emulation.setCPUThrottlingRate", { rate: 4 });
    await page.goto(address);
    await page.locator(what).first().waitFor();
    const there = await page.evaluate(() => Math.round(performance.now()));
    const found = await page.evaluate(() => {
      const scripts = performance.getEntriesByType("resource").filter((r) => r.name.endsWith(".js"));
      return { paint: Math.round(performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1), scripts: scripts.length, bytes: scripts.reduce((sum, r) => sum + r.encodedBodySize, 0) };
    });
    await context.close();
    return { there, ...found };
  }
} finally {
  for (const end of ends) await end();
}

function kept(file) {
  const { server, teacher, rooms } = JSON.parse(readFileSync(file, "utf8"));
  return { url: server.url, who: { username: teacher.username, password: teacher.password }, room: rooms.big.id };
}

async function fresh() {
  const server = await serve(t);
  const admin = await setUp(server);
  const who = { username: "maria", password: "a long enough one" };
  await admin("POST", "/users/", { full_name: "Maria Lehrer", ...who, role: "teacher" });
  const teacher = await signedIn(server, who.username, who.password);
  const course = await teacher("POST", "/courses/", { title: "Physics" });
  const room = await teacher("POST", "/rooms/", { course_id: course.id, name: "Group 1" });
  for (let i = 0; i < 60; i++) await teacher("POST", `/rooms/${room.id}/messages`, { text: `Message **${i}**, with \`code\` and a few more words` });
  return { url: server.url, who, room: room.id };
}
