// A school as a real one looks after some weeks: a class of thirty with names of all kinds, a
// room in which every kind of row stands, one of two thousand messages, agents in every state.
import assert from "node:assert/strict";
import { signedIn } from "../harness.mjs";
import { say } from "../seed.mjs";
import { picture, portrait } from "./pictures.mjs";
import { agents } from "./agents.mjs";
import { talk } from "./talk.mjs";

const names = [
  "Ada Byron", "Bo Li 李博", "陳怡君", "林志明", "Maximiliane von Hohenstein-Wolfenbüttel", "王小明", "Zoë Ó Súilleabháin", "黃淑芬", "Олександр Шевченко", "山田 太郎",
  "김민준", "Nguyễn Thị Minh Khai", "張家豪", "Fatima az-Zahra بنت محمد", "歐陽思遠", "Jean-Baptiste Grenouille", "吳佩蓉", "Li", "Wolfeschlegelsteinhausenbergerdorff", "蔡宗翰",
  "Priya Ramanathan", "許雅婷", "Αλέξανδρος Παπαδόπουλος", "鄭凱文 Kevin", "Mia", "劉冠廷", "שירה כהן", "郭美玲", "Emil Å", "Tomás Ñíguez de la Vega y Martínez",
];

export async function school(server, person, model, browser, messages = 2000) {
  const teacher = await person("Dr. Charlotte Nakamura-Weiß", { username: "c.nakamura", role: "teacher" });
  const novice = await person("Noah Novice", { username: "noah", role: "teacher" });
  const ta = await person("趙文傑 (Jay)", { username: "jay" });
  const { course, students } = await physics(server, teacher, ta);
  const rooms = {};
  for (const [key, name, description] of [
    ["group", "Group 1 · Refraction", "How light changes its way between air, water and glass. Hand in the table by Friday."],
    ["big", "Optics forum: everything that was asked about light, lenses and colours this term", ""],
    ["third", "第三組 · 光的折射實驗討論室", "以實驗數據討論司乃耳定律。"],
    ["quiet", "Quiet corner", ""],
  ]) rooms[key] = await teacher.api("POST", "/rooms/", { course_id: course.id, name, description, ai_mode: "both", ai_frequency: 0 });
  for (const one of [teacher, ta, ...students.filter((_, i) => i % 3 === 0)]) await one.api.file("POST", "/users/me/avatar", await portrait(browser, one.name), "me.png");
  const pictures = { wide: await picture(browser, 1200, 640), tall: await picture(browser, 480, 900) };
  await fill(rooms.big, [teacher, ta, ...students], messages);
  const made = await agents({ teacher, rooms, model });
  await talk({ teacher, ta, students, rooms, pictures, model, agents: made });
  const more = await around(teacher, course);
  return { ...more, teacher, novice, ta, student: students[0], students, course, rooms, agents: made };
}

async function physics(server, teacher, ta) {
  const course = await teacher.api("POST", "/courses/", { title: "Physics 10a · 十年級物理", description: "Light, sound and waves. Mondays and Thursdays, room 204. Bring a calculator and what you measured last time." });
  const list = names.map((name, i) => `${name},student${String(i + 1).padStart(2, "0")},student`).join("\n");
  const { lines } = await teacher.api.csv("POST", `/courses/${course.id}/members/import`, `full_name,username,role\n${list}\n`);
  const students = [];
  // A third of the class has not opened its link yet.
  for (const [i, line] of lines.entries()) {
    if (i >= 20 || !line.link) continue;
    const password = "a long enough one";
    const answer = await fetch(`${server.url}/api/v1/login/password-link`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token: line.link.token, password }) });
    assert.ok(answer.ok, await answer.text());
    students.push({ name: names[i], username: line.username, password, api: await signedIn(server, line.username, password) });
  }
  await teacher.api("POST", `/courses/${course.id}/enroll`, { user_id: ta.id, role: "ta" });
  return { course, students };
}

/** Two thousand messages as people write them: mostly a line, at times a list or code. */
async function fill(room, people, n) {
  const asks = ["Why is the sky blue?", "I measured 41.8° for glass", "同意，我也量到一樣的角度", "Can somebody explain the second table?", "ok", "I think it has to do with the speed of light in the medium, because it is slower there and the wave front has to turn.", "謝謝老師", "**No**, the angle is measured from the *normal*", "See page 42, figure 3: https://example.org/optics/refraction#snell"];
  let next = 1;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let i = next++; i <= n; i = next++) {
        const text = i % 29 === 0 ? `My list:\n\n- air 1.00\n- water 1.33\n- glass 1.52\n\n\`\`\`python\nfor n in (1.0, 1.33, 1.52):\n    print(math.degrees(math.asin(math.sin(a) / n)))\n\`\`\`` : asks[(i * 7) % asks.length];
        await say(people[Math.floor(i / 3) % people.length], room, text);
      }
    }),
  );
}

/** What is around the rooms: announcements, invitations, more courses, keys. */
async function around(teacher, course) {
  const announce = (title, content) => teacher.api("POST", "/announcements/", { course_id: course.id, title, content });
  await announce("Test on Thursday", "Chapters **3 and 4**. You may bring one page of notes.\n\n- refraction\n- total reflection\n- lenses");
  await announce("下週停課一次", "因為校外教學，下週一的課暫停，作業照常在週五以前繳交。");
  await teacher.api("PUT", `/courses/${course.id}/join-code`);
  for (const more of [{ role: "ta", expires_in_hours: 72 }, { role: "student", max_uses: 5 }]) await teacher.api("POST", `/courses/${course.id}/invitations`, more);
  const fresh = await teacher.api("POST", "/courses/", { title: "A new course without anything in it" });
  const old = await teacher.api("POST", "/courses/", { title: "Physics 9b (last year)" });
  await teacher.api("POST", "/rooms/", { course_id: old.id, name: "Plenum" });
  await teacher.api("POST", `/courses/${old.id}/archive`);
  await teacher.api("POST", "/users/keys", { provider: "openai", alias: "School, optics", api_key: "sk-of-the-school-0123456789" });
  await teacher.api("POST", "/users/me/tokens", { name: "Gradebook on my laptop", scopes: ["read", "write"], expires_in_days: 90 });
  return { fresh, old };
}
