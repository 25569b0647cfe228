// The talk of the room in which every kind of row stands.
import { setTimeout as pause } from "node:timers/promises";
import { say } from "../seed.mjs";

const formula = "Snell says $n_1 \\sin\\theta_1 = n_2 \\sin\\theta_2$, so for water:\n\n$$\\theta_2 = \\arcsin\\left(\\frac{1.00 \\cdot \\sin 50^\\circ}{1.33}\\right) \\approx 35.2^\\circ$$";
const table = "| Medium | Angle in | Angle out | *n* | Who | Remark |\n|---|---:|---:|---:|---|---|\n| Water 水 | 50.0° | 35.2° | 1.33 | Ada, 怡君 | measured three times |\n| Glass 玻璃 | 50.0° | 30.3° | 1.52 | Bo | the laser moved |\n| Diamond 鑽石 | 50.0° | 18.5° | 2.42 | – | from the book |";
const code = "```python\nimport math\n\ndef refracted(angle: float, n1: float, n2: float) -> float:\n    \"\"\"The angle behind the boundary, in degrees; a very long comment that does not fit into the width of a phone at all.\"\"\"\n    return math.degrees(math.asin(n1 * math.sin(math.radians(angle)) / n2))\n\nprint(refracted(50, 1.00, 1.33))\n```";

export async function talk({ teacher, ta, students, rooms, pictures, model, agents }) {
  const { group, third } = rooms;
  const [ada, bo, chen, lin, max] = students;
  const first = await say(teacher, group, "Good morning everybody 👋 Today each group measures one angle. @Ada Byron, will you write the table?");
  await say(ada, group, "Yes!", { reply_to: first.id });
  await say(ada, group, "We take **water** first, then _glass_.\n\n1. fill the tank\n2. point the laser\n3. read both angles\n\n> The angle is measured from the normal, not from the surface.\n\nHere is how: https://example.org/optics/refraction-and-the-law-of-snell-with-a-very-long-address-that-has-to-break-somewhere");
  const hers = await say(chen, group, "老師，請問入射角要從法線量還是從水面量？我們這組量到的角度跟課本上的不一樣，差了將近十度，不知道是不是量錯了。");
  await say(ta, group, "從法線量 ✅", { reply_to: hers.id });
  const data = await say(bo, group, table);
  await say(max, group, formula);
  await say(bo, group, code);
  const upload = (by, bytes, name, type) => by.api.file("POST", `/rooms/${group.id}/files?name=${encodeURIComponent(name)}`, bytes, name, type);
  const shown = await say(lin, group, "這是我們的照片", { files: [(await upload(lin, pictures.wide, "refraction.png")).id, (await upload(lin, pictures.tall, "水槽.png")).id] });
  await say(lin, group, "", { files: [(await upload(lin, Buffer.from("medium,angle\nwater,35.2\n"), "measurements of group one, all three series.csv", "text/csv")).id] }).catch(() => say(lin, group, "The file comes later"));
  for (const [who, emoji] of [[ada, "👍"], [bo, "👍"], [teacher, "🎉"], [chen, "❤️"], [max, "👍"]]) await who.api("PUT", `/rooms/${group.id}/messages/${shown.id}/reactions`, { emoji });
  for (const id of [data.id, first.id]) await teacher.api("PUT", `/rooms/${group.id}/messages/${id}/pin`);
  const wrong = await say(max, group, "The answer is 53.");
  await max.api("PUT", `/rooms/${group.id}/messages/${wrong.id}`, { text: "The answer is 35, I had turned the digits." });
  const gone = await say(bo, group, "never mind");
  await bo.api("DELETE", `/rooms/${group.id}/messages/${gone.id}`);
  const rude = await say(max, group, "This is boring!!");
  await teacher.api("POST", `/rooms/${group.id}/messages/${rude.id}/hide`);
  await say(lin, group, "😀👍");
  await turns({ teacher, ada, chen, group, third, model, agents });
}

async function turns({ teacher, ada, chen, group, third, model, agents }) {
  const ended = async (name, state) => {
    for (let i = 0; i < 600; i++) {
      const all = await teacher.api("GET", `/rooms/${group.id}/turns?limit=50`);
      const found = all.find((t) => t.agent_id === agents[name].id);
      if (found && state(found)) return found;
      await pause(100);
    }
    throw new Error(`the turn of ${name} did not come to be`);
  };
  const over = (t) => t.ended_at || t.finished_at || /done|failed|stopped|ended|completed|cancel/.test(t.state ?? t.status ?? "");
  const of = (name) => (asked) => asked.text.includes(`You are ${agents[name].name}`);

  model.hold(of("socrates")).end("What would you *expect* to happen to the angle, if light is slower in water than in air?\n\n- Draw the wave front first.\n- Which end of it reaches the water **earlier**?");
  await say(chen, group, `@${agents.socrates.name} 為什麼光線會偏折？`);
  await ended("socrates", over);
  for (let i = 0; i < 3; i++) model.hold(of("broken")).fail(401, "Incorrect API key provided");
  await say(ada, group, `@${agents.broken.name} is the formula right?`);
  await ended("broken", over);
  const cut = model.hold(of("long"));
  cut.write("Once upon a time, in a tank of water, there lived a beam of light that was always in a hurry, and ");
  await say(ada, group, `@${agents.long.name} tell us a story`);
  await cut.asked;
  const told = await ended("long", () => true);
  await pause(500);
  await teacher.api("POST", `/rooms/${group.id}/turns/${told.id}/stop`);
  await ended("long", over);

  // From here on what is asked for stays under way.
  const doc = await teacher.api("POST", `/workspaces/${group.id}/artifacts`, { type: "task", title: "Measure glass again" });
  model.hold(of("tidy")).call("manage_artifact", { action: "delete", artifact_id: doc.id }).end();
  await say(ada, group, `@${agents.tidy.name} please delete the task about glass`);
  await pause(3000);
  model.hold(of("peer")).end("I believe the light bends towards the normal, since it is slower in water.");
  const judge = model.hold((asked) => asked.text.includes("I believe the light bends towards the normal"));
  await say(ada, group, `@${agents.peer.name} what do you think?`);
  await judge.asked;
  model.hold(of("finder")).call("ask_agent", { agent: agents.long.name, question: "Which page has the table of refractive indices?" }).end();
  const asking = model.hold((asked) => of("long")(asked));
  await say(chen, group, `@${agents.finder.name} 折射率的表在哪一頁？`);
  await asking.asked;
  const now = model.hold(of("socrates"));
  now.write("Good. Now look at the table of Bo: the angle behind the boundary becomes *smaller* the slower light is.\n\n| Medium | *n* |\n|---|---:|\n| Water | 1.33 |\n| Glass | 1.52 |\n\nWhich rule could stand behind");
  await say(ada, group, `@${agents.socrates.name} and what about diamond?`);
  await now.asked;
  // A person's message wakes it, so it is put to sleep when all is said.
  await teacher.api("POST", `/rooms/${group.id}/agents/${agents.asleep.id}/sleep`);
  const thinking = model.hold(of("thinker"));
  await say(chen, third, "光在水中的速度比在空氣中慢嗎？");
  await say(chen, third, `@${agents.thinker.name} 您怎麼看？`);
  await thinking.asked;
}
