// What tests begin with: people, courses, rooms, agents, a long history; all made over the API.
import assert from "node:assert/strict";
import { setUp, signedIn } from "./harness.mjs";

const password = "a long enough one";

/** A school with its administrator, who makes the rest. */
export async function school(server) {
  const api = await setUp(server);
  return {
    api,
    /** An account; role is that of the whole school. */
    async person(name, { role = "student", username = name.toLowerCase().replace(/[^a-z]+/g, ".") } = {}) {
      const { id } = await api("POST", "/users/", { full_name: name, username, password, role });
      return { id, name, username, password, api: await signedIn(server, username, password) };
    },
    /** A course of a teacher, with its people by their role in it and one room for each name. */
    async course(title, { teacher, tas = [], students = [], rooms = ["Room"] }) {
      const course = await teacher.api("POST", "/courses/", { title });
      for (const [role, people] of Object.entries({ ta: tas, student: students })) for (const p of people) await teacher.api("POST", `/courses/${course.id}/enroll`, { user_id: p.id, role });
      const made = [];
      for (const name of rooms) made.push(await teacher.api("POST", "/rooms/", { course_id: course.id, name, ai_mode: "both", ai_frequency: 0 }));
      return { ...course, rooms: made };
    },
  };
}

/** An agent in a room. It speaks when it is called, and with a key of the scripted model. */
export function agent(by, room, name, more = {}) {
  return by.api("POST", `/rooms/${room.id}/agents`, {
    name,
    type: "teacher",
    system_prompt: `You are ${name}.`,
    model_provider: "openai",
    model: "gpt-4o-mini",
    api_key: "sk-of-a-test-0123456789",
    is_active: true,
    trigger_config: { type: "manual" },
    ...more,
  });
}

/** Says something in a room; returns the stored message's id and seq. */
export const say = (by, room, text, more = {}) => by.api("POST", `/rooms/${room.id}/messages`, { text, ...more });

/**
 * Fills a room with n messages by turns of several people, of different lengths. Several are on
 * their way at once, so a message's number is not its seq; returned is the text of each seq.
 */
export async function fill(room, authors, n, textOf = lengthy) {
  const texts = new Map();
  let next = 1;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let i = next++; i <= n; i = next++) {
        const text = textOf(i);
        const { seq } = await say(authors[Math.floor(i / 3) % authors.length], room, text);
        texts.set(seq, text);
      }
    }),
  );
  assert.equal(texts.size, n);
  return texts;
}

// As people write: mostly one line, at times a paragraph, a list or some code.
export function lengthy(i) {
  const first = `Message number ${i}`;
  if (i % 17 === 0) return `${first}\n\n- a list\n- with some\n- points\n\n\`\`\`js\nconst answer = ${i};\nconsole.log(answer);\n\`\`\``;
  if (i % 5 === 0) return `${first}: ${"a longer thought that needs more than one line on a narrow screen, 也有中文字。".repeat(1 + (i % 4))}`;
  return first;
}
