import { describe, expect, it } from "vitest";
import { answeredBy, questionOf } from "./asking";
import { blank, type Line } from "./line";

let seq = 0;
const said = (kind: Line["kind"], sender: string, more: Partial<Line> = {}): Line => ({ ...blank(`k${++seq}`, kind, seq, seq), id: `m${seq}`, senderId: sender, name: sender, ...more });
const calling = (agent: string): Partial<Line> => ({ mentions: [{ kind: "agent", id: agent, name: agent }] });
const under = (root: Line): Partial<Line> => ({ replyTo: { id: root.id!, seq: root.seq, sender: root.name } });

describe("what an answer is about", () => {
  it("is the last message of a person before it", () => {
    const [a, b] = [said("person", "ada"), said("person", "bo")];
    const answer = said("agent", "socrates");
    expect(questionOf(answer, [a, b, answer])).toBe(b);
    expect(questionOf(answer, [answer])).toBeUndefined();
  });

  it("is the message that has called the agent, also when others talk meanwhile", () => {
    const asked = said("person", "ada", calling("socrates"));
    const other = said("person", "bo");
    const answer = said("agent", "socrates");
    expect(questionOf(answer, [asked, other, answer])).toBe(asked);
  });

  it("is not what the agent has answered before", () => {
    const asked = said("person", "ada", calling("socrates"));
    const first = said("agent", "socrates");
    const next = said("person", "bo");
    const second = said("agent", "socrates");
    expect(questionOf(second, [asked, first, next, second])).toBe(next);
  });

  it("stays in its thread", () => {
    const root = said("person", "ada");
    const beside = said("person", "bo");
    const answer = said("agent", "socrates", under(root));
    const follow = said("person", "ada", under(root));
    const failed = said("agent", "socrates", { id: undefined, turn: { rootId: root.id } as Line["turn"] });
    const outside = said("agent", "plato");
    const all = [root, beside, answer, follow, failed, outside];
    expect(questionOf(answer, all)).toBe(root);
    expect(questionOf(failed, all)).toBe(follow);
    expect(questionOf(outside, all)).toBe(beside);
  });

  it("skips what is deleted or not sent yet", () => {
    const a = said("person", "ada");
    const gone = said("person", "bo", { state: "deleted" });
    const unsent = said("person", "bo", { id: undefined });
    const answer = said("agent", "socrates");
    expect(questionOf(answer, [a, gone, unsent, answer])).toBe(a);
  });
});

describe("who has answered a message", () => {
  it("names each agent once", () => {
    const asked = said("person", "ada");
    const [s, p, again] = [said("agent", "socrates"), said("agent", "plato"), said("agent", "socrates")];
    const next = said("person", "ada");
    const other = said("agent", "zeno");
    expect(answeredBy(asked, [asked, s, p, again, next, other]).map((a) => a.id)).toEqual(["socrates", "plato"]);
  });
});
