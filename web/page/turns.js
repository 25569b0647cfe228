// Turns follows the running answers of a room's agents and shows them in the
// log until the stored message, a failure or a long silence ends them.

import { Stream } from "./stream.js";

const silent = 120000;
const silentAfterReconnect = 10000;
const nameless = "AI agent";

export class Turns {
  #running = new Map(); // turn id -> {name, stream, at, timer, mine, heard}
  #ended = new Map(); // turn id -> the last attempt that is over
  #list;
  #agents;
  #staff;
  #stop;

  // staff offers to go on where a guard has stopped a turn; stop(id) stops one,
  // as staff may, and who said the line that it answers.
  constructor(list, agents, staff, stop) {
    this.#list = list;
    this.#agents = agents;
    this.#staff = staff;
    this.#stop = stop;
  }

  stop() {
    for (const { timer } of this.#running.values()) clearTimeout(timer);
    this.#running.clear();
  }

  // changed takes a turn frame; seq and at are where a notice about it goes.
  changed(frame, { seq, at }) {
    const { turn_id: id, state, attempt } = frame;
    if (this.#isOver(id, attempt)) return;
    if (state === "started" || state === "retrying") {
      const { stream } = this.#get(id, frame);
      stream.begin(attempt ?? 1);
      // On joining, a turn that runs already comes with its text so far.
      if (typeof frame.text === "string") stream.add({ attempt: attempt ?? 1, offset: frame.offset ?? 0, text: frame.text });
      this.#show(id, state === "retrying" ? "is trying again" : "is thinking");
      return;
    }
    const name = this.#running.get(id)?.name ?? frame.agent_name ?? "The AI agent";
    if (state === "finished") {
      // As a signal it may overtake the stored message, which says it better; as
      // a durable event it says that there is none.
      if (!Number.isInteger(frame.seq) && this.#running.get(id)?.stream.text) this.#watch(id, silentAfterReconnect);
      else this.end(id, attempt);
      return;
    }
    this.end(id, attempt);
    if (state === "parked") {
      if (frame.reason === "approval") return; // staff are asked themselves
      this.#list.notice(`turn:${id}:${seq}`, seq, at, `${name} ${frame.reason === "paused" ? "is paused" : "waits for a decision of the staff"}.`);
      return;
    }
    const what = state === "stopped" ? "gave no answer" : "could not answer";
    // Staff alone are told why.
    const why = frame.detail || frame.reason;
    this.#list.notice(`turn:${id}:${attempt ?? ""}`, seq, at, `${name} ${what}${why ? `: ${why}` : "."}`, this.#staff.mayGoOn(frame.reason));
  }

  delta(frame) {
    const { turn_id: id } = frame;
    if (this.#isOver(id, frame.attempt) || typeof frame.text !== "string") return;
    if (this.#get(id, frame).stream.add(frame)) this.#show(id, "is thinking");
  }

  // stored ends a turn whose message takes the place of the streamed line.
  stored(id, attempt) {
    const turn = this.#running.get(id);
    clearTimeout(turn?.timer);
    this.#running.delete(id);
    this.#ended.set(id, attempt ?? turn?.stream.attempt ?? Infinity);
  }

  // A turn that waited for a person, or that a guard had stopped, goes on in a
  // new attempt.
  #isOver(id, attempt) {
    return this.#ended.has(id) && (attempt ?? 0) <= this.#ended.get(id);
  }

  end(id, attempt) {
    this.stored(id, attempt);
    this.#list.endStreaming(id);
  }

  // endUnheard ends the turns that the server has not named since the socket is
  // back: it names those that run before anything else.
  endUnheard() {
    for (const [id, { heard }] of [...this.#running]) if (!heard) this.end(id);
  }

  // reconnected gives the turns shown a moment to prove that they still run.
  reconnected() {
    for (const [id, turn] of this.#running) {
      turn.heard = false;
      this.#watch(id, silentAfterReconnect);
    }
  }

  // get also makes a turn that was running before this page came.
  #get(id, { agent_id: agentId, agent_name: agentName }) {
    let turn = this.#running.get(id);
    if (!turn) {
      turn = { name: nameless, stream: new Stream(), at: new Date(), timer: 0, mine: this.#list.lastIsOwn };
      this.#running.set(id, turn);
    }
    turn.heard = true;
    const agent = this.#agents.find((known) => known.id === agentId) ?? (this.#agents.length === 1 ? this.#agents[0] : undefined);
    if (agentName) turn.name = agentName;
    else if (turn.name === nameless && agent?.name) turn.name = agent.name;
    this.#watch(id, silent);
    return turn;
  }

  #show(id, doing) {
    const { name, stream, at, mine } = this.#running.get(id);
    const stop = this.#staff.isStaff || mine ? () => this.#stop(id) : undefined;
    this.#list.streaming(id, name, { text: stream.text, doing, at, stop });
  }

  // Signals are best effort: a turn that has gone silent is taken off the page,
  // and comes back if it speaks after all.
  #watch(id, time) {
    const turn = this.#running.get(id);
    clearTimeout(turn.timer);
    turn.timer = setTimeout(() => {
      this.#running.delete(id);
      this.#list.endStreaming(id);
    }, time);
  }
}
