// Staff shows what a room's staff alone are told, and lets them answer: what
// agents want to do and wait for, and where a guard has cut agents off. Others
// get no such frames; whether the person is staff is known a little later than
// the rest, and counts for what everybody can see.

import * as api from "./api.js";

// Why a guard ends a turn in the middle of its work.
const guardReasons = ["too_many_steps", "too_many_tokens", "repeats_itself", "too_long"];
const guards = {
  agent_row: "agents have spoken several times in a row",
  agreement: "the agents only agree with each other",
};

export class Staff {
  isStaff = false;
  #room;
  #list;
  #change;
  #guarded = []; // keys of the notices that offer to go on

  // change runs a call, shows its failure, and tells whether it worked.
  constructor(room, list, change) {
    this.#room = room;
    this.#list = list;
    this.#change = change;
  }

  known() {
    this.isStaff = true;
    this.#list.mayHide();
  }

  // load shows what has been waiting since before the page came.
  async load(seq) {
    if (!this.isStaff) return;
    for (const waiting of await api.approvals(this.#room)) this.#ask(waiting, seq, new Date(waiting.created_at));
  }

  approval(frame, at) {
    const { step_id: id, state, agent_name: agent, summary, decided_by: by, seq } = frame;
    if (state === "pending") {
      this.#ask(frame, seq, at);
      return;
    }
    this.#list.answered(`approval:${id}`);
    const what = {
      approved: `${by} has allowed ${agent} to ${summary}.`,
      rejected: `${by} has not allowed ${agent} to ${summary}.`,
      expired: `Nobody decided in time whether ${agent} may ${summary}.`,
    }[state];
    if (what) this.#list.notice(`approval:${id}:${state}`, seq, at, what);
  }

  guard({ state, guard, agents, seq }, at) {
    if (state === "continued") {
      for (const key of this.#guarded.splice(0)) this.#list.answered(key);
      return;
    }
    const who = agents?.length ? agents.join(", ") : "The agents";
    const key = `guard:${seq}`;
    this.#guarded.push(key);
    this.#list.notice(key, seq, at, `${who} may not go on for now: ${guards[guard] ?? guard}.`, this.#goOn());
  }

  // mayGoOn is what staff may answer to a turn that ended for a reason; others
  // are told none.
  mayGoOn(reason) {
    return guardReasons.includes(reason) ? this.#goOn() : [];
  }

  #goOn() {
    return [{ label: "Go on", title: "Let the agents go on", act: () => this.#change(api.goOn(this.#room)) }];
  }

  #ask({ step_id: id, agent_name: agent, summary }, seq, at) {
    const decide = (label, decision) => ({
      label,
      title: `${label}: ${agent} wants to ${summary}`,
      act: () => this.#change(api.decide(this.#room, id, decision)),
    });
    this.#list.notice(`approval:${id}`, seq, at, `${agent} wants to ${summary}.`, [decide("Allow", "approve"), decide("Refuse", "reject")]);
  }
}
