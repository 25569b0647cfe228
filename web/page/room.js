// Room is one open room: its history, its socket, its unsent lines and its
// running turns. The event number of the last durable event is the cursor with
// which the socket resumes; an ack does not move it, since it may overtake
// earlier events.

import * as api from "./api.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { announce, byId, el } from "./dom.js";
import { MessageList } from "./messages.js";
import { Outbox } from "./outbox.js";
import { Staff } from "./staff.js";
import { Turns } from "./turns.js";

const pageSize = 100;
const ackTimeout = 15000;
const typingShown = 5000;
const longestTypist = 24; // characters of a name in the one line that phones have
const bannerAfter = 1200;
const longText = 16000;
const longTries = 3;

export class Room {
  #id;
  #me;
  #listeners;
  #outbox;
  #list;
  #connection;
  #composer;
  #staff;
  #turns;
  #loaded = [];
  #agents = [];
  #agentsKnown = false;
  #typing = new Map(); // user id -> {name, timer}
  #cursor = 0;
  #oldest = Infinity;
  #wasOpen = false;
  #bannerTimer = 0;
  #ackTimers = new Map(); // client id -> timer
  #tries = new Map(); // client id -> how often it was sent without an answer
  #life = new AbortController();

  // listeners: onEnd("session" | "member"), onMessage() for each new line
  // of somebody else.
  constructor(id, me, listeners) {
    this.#id = id;
    this.#me = me;
    this.#listeners = listeners;
    this.#outbox = new Outbox(me.id, id);
  }

  // load fetches the room; it throws the api.Problem that prevents it.
  async load() {
    const [loaded, agents] = await Promise.all([
      api.history(this.#id, { limit: pageSize }),
      api.agentsOf(this.#id).catch(() => null), // the names are a nicety
    ]);
    this.#loaded = loaded;
    this.#agents = agents ?? [];
    this.#agentsKnown = agents !== null;
  }

  // isSilent says for sure that no agent can answer here, once loaded.
  get isSilent() {
    return this.#agentsKnown && this.#agents.every((agent) => agent.is_active === false);
  }

  // start shows what was loaded, in a room section that is visible by now.
  start() {
    this.#list = new MessageList({
      retry: (clientId) => this.#retry(clientId),
      edit: (clientId) => this.#edit(clientId),
      discard: (clientId) => this.#discard(clientId),
      save: (lineId, text) => this.#change(api.editLine(this.#id, lineId, text)),
      remove: (lineId) => this.#change(api.deleteLine(this.#id, lineId)),
      restore: (lineId) => this.#change(api.changeLine(this.#id, lineId, "restore")),
      hide: (lineId) => this.#change(api.changeLine(this.#id, lineId, "hide")),
      show: (lineId) => this.#change(api.changeLine(this.#id, lineId, "unhide")),
    });
    this.#staff = new Staff(this.#id, this.#list, (call) => this.#change(call));
    this.#turns = new Turns(this.#list, this.#agents, this.#staff, (turnId) => this.#change(api.stopTurn(this.#id, turnId)));
    this.#askForRole();
    this.#showPresence([]);
    this.#showTyping();
    this.#showHistory(this.#loaded);
    this.#cursor = this.#loaded.at(-1)?.seq ?? 0;
    for (const line of this.#outbox.lines) this.#showWaiting(line);
    this.#list.ready();
    this.#listen();
    this.#connection = new Connection({
      address: () => api.socketAddress(this.#id, this.#cursor),
      onFrame: (frame) => this.#receive(frame),
      onState: (state) => this.#showState(state),
      onTooLarge: () => this.#refuseLongest(),
      onEnd: (reason) => this.#listeners.onEnd(reason),
      check: () => this.#check(),
    });
    this.#connection.start();
  }

  close() {
    this.#life.abort();
    this.#connection?.stop();
    this.#list?.stop();
    clearTimeout(this.#bannerTimer);
    for (const timer of this.#ackTimers.values()) clearTimeout(timer);
    this.#turns?.stop();
    for (const { timer } of this.#typing.values()) clearTimeout(timer);
    byId("banner").hidden = true;
    byId("alert").hidden = true;
    byId("presence").open = false;
  }

  #showWaiting(line) {
    this.#list.waiting(line, this.#me.full_name || this.#me.username || this.#me.email, this.#me.id);
  }

  // ----- what arrives

  #receive(frame) {
    switch (frame.type) {
      case "message":
        this.#message(frame);
        break;
      case "message_edited":
      case "message_deleted":
      case "message_hidden":
      case "message_shown":
        this.#list.changed(frame.message_id, { state: frame.state, text: frame.content ?? "", edited: Boolean(frame.edited_at) });
        break;
      case "ack":
        this.#acknowledged(frame);
        break;
      case "turn":
        this.#turns.changed(frame, { seq: frame.seq ?? this.#cursor, at: dateOf(frame.timestamp) });
        break;
      case "approval":
        this.#staff.approval(frame, dateOf(frame.timestamp));
        break;
      case "guard":
        this.#staff.guard(frame, dateOf(frame.timestamp));
        break;
      case "a2a_trace":
        if (typeof frame.content === "string") this.#list.notice(`event:${frame.seq}`, frame.seq, dateOf(frame.timestamp), detailsOf(frame.content));
        break;
      case "delta":
        this.#turns.delta(frame);
        break;
      case "presence":
        this.#showPresence(Array.isArray(frame.members) ? frame.members : []);
        break;
      case "typing":
        this.#typed(frame);
        break;
      case "resync":
        if (Number.isInteger(frame.after)) this.#resync(frame.after);
        break;
      case "error":
        this.#refused(frame);
        break;
      case "system":
        if (Number.isInteger(frame.seq) && typeof frame.content === "string") this.#list.notice(`event:${frame.seq}`, frame.seq, dateOf(frame.timestamp), frame.content);
        break;
    }
    if (frame.type !== "ack" && Number.isInteger(frame.seq)) this.#cursor = Math.max(this.#cursor, frame.seq);
  }

  #message(frame) {
    const isNew = !this.#list.has(frame.id);
    const about = frame.metadata ?? {};
    const message = this.#stored({
      id: frame.id,
      seq: frame.seq,
      sender: frame.sender,
      content: frame.content,
      created_at: frame.timestamp,
      sender_id: about.sender_id,
      sender_kind: about.sender_kind,
      agent_type: about.is_ai ? (about.agent_type ?? "agent") : null,
      agent_id: frame.agent_id,
      agent_name: frame.agent_name,
      state: frame.state,
      edited_at: frame.edited_at,
      stopped: frame.stopped ?? about.stopped,
    });
    let replaces;
    if (message.own && frame.client_id && this.#outbox.find(frame.client_id)) {
      replaces = `waiting:${frame.client_id}`;
      this.#delivered(frame.client_id);
    } else if (frame.turn_id) {
      replaces = `turn:${frame.turn_id}`;
      this.#turns.stored(frame.turn_id);
    }
    this.#list.message(message, { replaces, live: isNew });
    if (about.sender_id) this.#stopTyping(about.sender_id);
    if (isNew && !message.own) this.#listeners.onMessage();
  }

  // stored gives a row of the history and a message frame one form.
  #stored(row) {
    const isAgent = Boolean(row.agent_type || row.agent_id);
    const agent = isAgent ? this.#agentOf(row) : undefined;
    return {
      id: row.id,
      seq: row.seq,
      kind: isAgent ? "agent" : "person",
      bot: row.sender_kind === "bot",
      own: !isAgent && row.sender_id === this.#me.id,
      name: isAgent ? row.agent_name || agent?.name || labelOf(row.sender) : row.sender || "Unknown",
      senderKey: isAgent ? row.agent_id || row.agent_type : row.sender_id || row.sender,
      text: row.content ?? "",
      at: dateOf(row.created_at),
      state: row.state ?? "shown",
      edited: Boolean(row.edited_at),
      stopped: Boolean(row.stopped),
    };
  }

  #agentOf({ agent_id: id, agent_type: type }) {
    if (id) return this.#agents.find((agent) => agent.id === id);
    const same = this.#agents.filter((agent) => agent.type === type);
    return same.length === 1 ? same[0] : undefined;
  }

  // change tells whether a change of a line worked; the event that tells
  // everybody shows it here too.
  async #change(call) {
    try {
      await call;
      return true;
    } catch (problem) {
      if (!this.#life.signal.aborted) this.#alert(problem.message);
      return false;
    }
  }

  // askForRole finds out whether the person is staff here. Who has no place in
  // the course is none, and is not asked about: it would be refused.
  async #askForRole() {
    try {
      const [room, courses] = await Promise.all([api.room(this.#id), api.courses()]);
      const course = courses.find(({ id }) => id === room.course_id);
      if (!course) return;
      const isAdmin = this.#me.role === "admin" || this.#me.role === "super_admin";
      const isStaff = isAdmin || (await api.membersOf(course.id)).some(({ user_id: id, role }) => id === this.#me.id && role !== "student");
      if (!isStaff || this.#life.signal.aborted) return;
      this.#staff.known();
      await this.#staff.load(this.#cursor);
    } catch {
      // Without an answer the page offers less, and works.
    }
  }

  #acknowledged({ client_id: clientId, id, seq }) {
    if (!this.#outbox.find(clientId)) return;
    this.#delivered(clientId);
    this.#list.settled(clientId, id, seq);
  }

  #delivered(clientId) {
    this.#outbox.remove(clientId);
    clearTimeout(this.#ackTimers.get(clientId));
    this.#ackTimers.delete(clientId);
    this.#tries.delete(clientId);
  }

  #refused({ client_id: clientId, detail }) {
    const text = typeof detail === "string" && detail !== "" ? detail : "The server refused this.";
    if (!clientId || !this.#outbox.find(clientId)) {
      this.#alert(text);
      return;
    }
    this.#refuse(clientId, text);
  }

  #refuse(clientId, text) {
    clearTimeout(this.#ackTimers.get(clientId));
    this.#outbox.refuse(clientId, text);
    this.#showWaiting(this.#outbox.find(clientId));
    announce(`Not sent: ${text}`);
  }

  // A line that closes the socket must not be sent again with every reconnect.
  #refuseLongest() {
    const [longest] = this.#outbox.lines.filter(({ refused }) => !refused).sort((a, b) => b.text.length - a.text.length);
    if (longest) this.#refuse(longest.client_id, "It is too long for one message. Please split it.");
  }

  // The cursor is older than what the server keeps: what is shown up to there
  // may have holes, so it is replaced by the newest page of the history.
  async #resync(after) {
    this.#turns.endUnheard();
    this.#cursor = after;
    try {
      const history = await api.history(this.#id, { limit: pageSize });
      if (this.#life.signal.aborted) return;
      // What came in meanwhile is newer than after and may be missing in history.
      this.#list.dropStored(after);
      this.#oldest = Infinity;
      this.#showHistory(history);
      this.#list.toEnd();
      await this.#staff.load(after);
    } catch (problem) {
      if (!this.#life.signal.aborted) this.#alert(`The messages could not be reloaded. ${problem.message}`);
    }
  }

  // ----- history

  #showHistory(rows) {
    for (const row of rows) this.#list.message(this.#stored(row));
    if (rows.length > 0) this.#oldest = Math.min(this.#oldest, rows[0].seq);
    byId("older").hidden = rows.length < pageSize;
  }

  async #showOlder() {
    const older = byId("older");
    older.disabled = true;
    try {
      const rows = await api.history(this.#id, { limit: pageSize, before: this.#oldest });
      if (!this.#life.signal.aborted) this.#list.keepPlace(() => this.#showHistory(rows));
    } catch (problem) {
      if (!this.#life.signal.aborted) this.#alert(problem.message);
    } finally {
      older.disabled = false;
    }
  }

  // ----- what is sent

  #listen() {
    const { signal } = this.#life;
    this.#composer = new Composer({
      signal,
      draft: this.#outbox.draft,
      onDraft: (text) => { this.#outbox.draft = text; },
      onTyping: () => this.#connection.send({ type: "typing" }),
      onSubmit: (text) => this.#submit(text),
    });
    this.#composer.focusUnlessTouch();
    byId("older").addEventListener("click", () => this.#showOlder(), { signal });
    const presence = byId("presence");
    document.addEventListener("click", (event) => { if (!presence.contains(event.target)) presence.open = false; }, { signal });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") presence.open = false; }, { signal });
    byId("banner-retry").addEventListener("click", () => this.#connection.retryNow(), { signal });
    byId("alert-close").addEventListener("click", () => { byId("alert").hidden = true; }, { signal });
  }

  #submit(text) {
    const line = this.#outbox.add(text);
    this.#showWaiting(line);
    this.#list.toEnd();
    this.#post(line);
  }

  // A proxy may end the connection for a long frame and say no reason.
  #post({ client_id: clientId, text, refused }) {
    if (refused || !this.#connection.isOpen) return;
    const tries = (this.#tries.get(clientId) ?? 0) + 1;
    if (text.length > longText && tries > longTries) {
      this.#refuse(clientId, `${longTries} tries failed. It may be too long for this connection; please split it.`);
      return;
    }
    this.#tries.set(clientId, tries);
    this.#connection.send({ type: "post", client_id: clientId, text });
    clearTimeout(this.#ackTimers.get(clientId));
    this.#ackTimers.set(clientId, setTimeout(() => this.#connection.renew(), ackTimeout));
  }

  #retry(clientId) {
    this.#tries.delete(clientId);
    this.#outbox.retry(clientId);
    const line = this.#outbox.find(clientId);
    this.#showWaiting(line);
    this.#post(line);
  }

  #edit(clientId) {
    const { text } = this.#outbox.find(clientId);
    this.#discard(clientId);
    this.#composer.putBack(text);
  }

  #discard(clientId) {
    this.#delivered(clientId);
    this.#list.discard(clientId);
  }

  // ----- connection, presence, typing

  #showState(state) {
    const status = byId("status");
    status.dataset.state = state;
    status.textContent = state === "open" ? "Connected" : this.#wasOpen ? "Reconnecting…" : "Connecting…";
    if (state === "open") {
      this.#wasOpen = true;
      clearTimeout(this.#bannerTimer);
      this.#bannerTimer = 0;
      byId("banner").hidden = true;
      this.#turns.reconnected();
      for (const line of this.#outbox.lines) this.#post(line);
      return;
    }
    for (const timer of this.#ackTimers.values()) clearTimeout(timer);
    this.#showPresence([]);
    // Each try changes the state again; the banner counts from the first.
    this.#bannerTimer ||= setTimeout(() => { byId("banner").hidden = false; }, bannerAfter);
    byId("banner-text").textContent = navigator.onLine
      ? "The connection is lost. What you write is kept and sent when it is back."
      : "You are offline. What you write is kept and sent when you are back.";
  }

  // check finds out why a handshake was refused: no session, no access, or only
  // a server that is not there.
  async #check() {
    try {
      if ((await api.me()) === null) return "session";
      await api.history(this.#id, { limit: 1 });
    } catch (problem) {
      if (problem.status === 401) return "session";
      if (problem.status === 403 || problem.status === 404) return "member";
    }
    return "";
  }

  #showPresence(members) {
    const people = new Map(members.map(({ user_id: id, name, kind }) => [id, kind === "bot" ? `${name} (bot)` : name]));
    const count = byId("presence-count");
    count.textContent = people.size === 0 ? "–" : `${people.size} here`;
    count.title = [...people.values()].join(", ");
    byId("presence-people").replaceChildren(
      ...[...people].map(([id, name]) => el("li", { dir: "auto" }, id === this.#me.id ? `${name} (you)` : name)),
    );
    byId("presence-agents").replaceChildren(
      ...(this.#agents.length === 0 ? [el("li", { class: "muted" }, this.#agentsKnown ? "none" : "not known")] : this.#agents.map(agentLine)),
    );
  }

  #typed({ user_id: id, name }) {
    if (id === this.#me.id) return;
    clearTimeout(this.#typing.get(id)?.timer);
    this.#typing.set(id, { name, timer: setTimeout(() => this.#stopTyping(id), typingShown) });
    this.#showTyping();
  }

  #stopTyping(id) {
    clearTimeout(this.#typing.get(id)?.timer);
    if (this.#typing.delete(id)) this.#showTyping();
  }

  #showTyping() {
    const names = [...this.#typing.values()].map(({ name }) => (name.length > longestTypist ? `${name.slice(0, longestTypist)}…` : name));
    const texts = ["", `${names[0]} is typing…`, `${names[0]} and ${names[1]} are typing…`];
    byId("typing").textContent = texts[names.length] ?? `${names.length} people are typing…`;
  }

  #alert(text) {
    byId("alert-text").textContent = text;
    byId("alert").hidden = false;
  }
}

function agentLine({ name, type, is_active: active }) {
  return el("li", { dir: "auto" }, name || type, active === false ? el("span", { class: "muted" }, " (off)") : null);
}

// labelOf makes "Teacher" of the wire labels "[Teacher AI]" and "Teacher AI";
// the page says AI with a badge.
function labelOf(sender) {
  return (sender ?? "").replace(/^\[|\]$/g, "").replace(/ AI$/, "") || "AI agent";
}

// detailsOf is what a trace says: "[A2A]|PROPOSAL|Student drafted a contribution".
function detailsOf(content) {
  return content.split("|").slice(2).join("|") || content;
}

function dateOf(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? new Date() : date;
}
