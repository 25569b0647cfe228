// MessageList shows one room's log. Every line has an order: stored messages and
// notices by their event number, then answers that are being streamed, then own
// lines that wait for the server.

import { announce, button, byId, dayOf, el, exactTimeOf, timeOf } from "./dom.js";

const orderStreaming = 1e15;
const orderWaiting = 2e15;
const nearEnd = 64;
const moved = 4; // less is a fraction of a pixel on a zoomed page
const togetherFor = 5 * 60 * 1000;

export class MessageList {
  #list = byId("messages");
  #scroller = byId("scroller");
  #newest = byId("newest");
  #empty = byId("messages-empty");
  #items = new Map(); // key -> item
  #byLine = new WeakMap(); // li -> item
  #atEnd = true;
  #top = 0; // where the log was scrolled to
  #following = 0;
  #life = new AbortController();
  #actions;
  #staff = false;

  // actions: retry(clientId), edit(clientId), discard(clientId) for waiting
  // lines; save(id, text), which tells whether it worked, remove(id),
  // restore(id), hide(id) and show(id) for stored ones.
  constructor(actions) {
    this.#actions = actions;
    const { signal } = this.#life;
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { signal, passive: true });
    this.#newest.addEventListener("click", () => this.toEnd(), { signal });
    // The window, the on-screen keyboard and a growing composer change the log's
    // height, and what is said changes that of the list in it.
    const resized = new ResizeObserver(() => this.#follow());
    resized.observe(this.#scroller);
    resized.observe(this.#list);
    signal.addEventListener("abort", () => resized.disconnect());
    this.clear();
  }

  stop() {
    this.#life.abort();
    this.clear();
  }

  clear() {
    this.#items.clear();
    this.#list.replaceChildren();
    this.#newest.hidden = true;
    this.#empty.hidden = true;
    this.#atEnd = true;
  }

  // ready shows the empty state when there is nothing to show after loading.
  ready() {
    this.#empty.hidden = this.#items.size > 0;
    this.toEnd();
  }

  has(id) {
    return this.#items.has(`message:${id}`);
  }

  // lastIsOwn tells whether the person at this page was the last to say something.
  get lastIsOwn() {
    let li = this.#list.lastElementChild;
    while (li && li.dataset.kind !== "person") li = li.previousElementSibling;
    return li?.dataset.own === "true";
  }

  // mayHide offers to hide lines and to show them again, as staff do.
  mayHide() {
    this.#staff = true;
    for (const item of this.#items.values()) if (item.id) this.#offer(item);
  }

  // changed shows what became of a stored line: {state, text, edited}.
  changed(id, what) {
    const item = this.#items.get(`message:${id}`);
    if (!item) return;
    const focused = item.li.contains(document.activeElement);
    item.undo = what.state === "deleted" && item.state === "shown";
    Object.assign(item, what);
    if (item.editing && item.state === "shown") return;
    item.editing = false;
    this.#fill(item);
    this.#offer(item);
    // What had the focus is gone with the state that it was for.
    if (focused) item.li.querySelector("button")?.focus();
    this.#follow();
  }

  // message shows a stored message {id, seq, kind, own, name, senderKey, text, at,
  // state, edited, stopped}.
  // replaces names the waiting line or the streamed answer that it settles.
  message(message, { replaces, live = false } = {}) {
    const key = `message:${message.id}`;
    let item = this.#items.get(key);
    const placeholder = replaces ? this.#items.get(replaces) : undefined;
    if (!item) {
      item = placeholder ?? this.#make(message.kind);
      if (placeholder) this.#items.delete(replaces);
      this.#items.set(key, item);
    } else if (placeholder) {
      this.#remove(replaces);
    }
    Object.assign(item, message, { order: message.seq });
    item.li.dataset.messageId = message.id;
    item.li.dataset.seq = message.seq;
    delete item.li.dataset.streaming;
    delete item.li.dataset.waiting;
    if (!item.editing) {
      item.foot.replaceChildren();
      this.#fill(item);
      this.#offer(item);
    }
    this.#place(item);
    if (live && !message.own) {
      this.#newest.hidden = this.#atEnd;
      announce(`${message.name}${message.kind === "agent" ? ", AI" : ""}${message.bot ? ", bot" : ""}: ${message.text}`);
    }
  }

  // waiting shows an own line that the server has not acknowledged.
  waiting({ client_id: clientId, text, at, refused }, name, senderKey) {
    const key = `waiting:${clientId}`;
    let item = this.#items.get(key);
    if (!item) {
      item = Object.assign(this.#make("person"), { own: true, name, senderKey, text, at: new Date(at), order: orderWaiting });
      item.li.dataset.clientId = clientId;
      this.#items.set(key, item);
      this.#fill(item);
      this.#place(item);
    }
    item.li.dataset.waiting = refused ? "refused" : "sending";
    if (!refused) {
      item.foot.replaceChildren("sending…");
      return;
    }
    item.foot.replaceChildren(
      el("span", { class: "refused" }, `Not sent: ${refused}`),
      button("Try again", "quiet", () => this.#actions.retry(clientId)),
      button("Edit", "quiet", () => this.#actions.edit(clientId)),
      button("Discard", "quiet", () => this.#actions.discard(clientId)),
    );
    this.#follow();
  }

  // settled turns a waiting line into a stored one once the server has named it.
  settled(clientId, id, seq) {
    const key = `waiting:${clientId}`;
    const item = this.#items.get(key);
    if (!item) return;
    if (this.has(id)) {
      this.#remove(key);
      return;
    }
    const { name, senderKey, text, at } = item;
    this.message({ id, seq, kind: "person", own: true, name, senderKey, text, at, state: "shown", edited: false }, { replaces: key });
  }

  discard(clientId) {
    this.#remove(`waiting:${clientId}`);
  }

  // streaming shows an answer in the making; without text, what the agent does.
  // stop, if the person may do that, tells whether it worked.
  streaming(turnId, name, { text, doing, at, stop }) {
    const key = `turn:${turnId}`;
    let item = this.#items.get(key);
    if (!item) {
      item = Object.assign(this.#make("agent"), { own: false, senderKey: `turn:${turnId}`, at, order: orderStreaming });
      item.li.dataset.streaming = "true";
      item.li.dataset.turnId = turnId;
      this.#items.set(key, item);
      this.#place(item);
    }
    Object.assign(item, { name, text });
    this.#fill(item);
    item.li.dataset.thinking = String(text === "");
    if (text === "") item.body.replaceChildren(el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")), `${name} ${doing}…`);
    if (stop && !item.foot.hasChildNodes()) item.foot.replaceChildren(...answers([{ label: "Stop", title: `Stop ${name}`, act: stop }]));
    this.#follow();
  }

  endStreaming(turnId) {
    this.#remove(`turn:${turnId}`);
  }

  // notice shows a discreet line once per key, and the answers that it asks for:
  // {label, title, act}, of which act tells whether it worked.
  notice(key, seq, at, text, choices = []) {
    const full = `notice:${key}`;
    if (this.#items.has(full)) return;
    const item = { kind: "notice", order: seq, at, li: el("li", { "data-kind": "notice" }), day: el("div", { class: "day" }) };
    item.choices = el("span", { class: "choices" }, ...answers(choices));
    item.li.append(item.day, el("p", {}, text, item.choices));
    this.#byLine.set(item.li, item);
    this.#items.set(full, item);
    this.#place(item);
    announce(text);
  }

  // answered takes the answers of a notice away.
  answered(key) {
    this.#items.get(`notice:${key}`)?.choices.remove();
  }

  // dropStored removes stored messages and notices up to seq, before a reload.
  dropStored(seq) {
    for (const [key, item] of this.#items) if (item.order <= seq) this.#remove(key);
  }

  // keepPlace runs change, which adds lines on top, without moving what is read.
  keepPlace(change) {
    const fromEnd = this.#scroller.scrollHeight - this.#scroller.scrollTop;
    change();
    this.#scroller.scrollTop = this.#scroller.scrollHeight - fromEnd;
  }

  toEnd() {
    this.#atEnd = true;
    this.#newest.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
  }

  #make(kind) {
    const item = {
      kind,
      li: el("li", { "data-kind": kind }),
      day: el("div", { class: "day" }),
      avatar: el("span", { class: "avatar", "aria-hidden": "true" }),
      head: el("div", { class: "head" }),
      body: el("div", { class: "text", dir: "auto" }),
      foot: el("div", { class: "foot" }),
      tools: el("div", { class: "tools" }),
    };
    const bubble = el("div", { class: "bubble" }, item.head, item.body, item.foot);
    item.li.append(item.day, el("div", { class: "line" }, item.avatar, bubble, item.tools));
    this.#byLine.set(item.li, item);
    return item;
  }

  #fill(item) {
    const { li, name, own, kind, at } = item;
    if (own) li.dataset.own = "true";
    item.avatar.textContent = initial(name);
    item.avatar.style.setProperty("--hue", String(hue(name)));
    item.head.replaceChildren(
      el("span", { class: "name", dir: "auto" }, own ? "You" : name),
      ...(kind === "agent" ? [el("abbr", { class: "badge", title: "This is an AI agent, not a person" }, "AI")] : []),
      ...(item.bot ? [el("abbr", { class: "badge", title: "This is a program, not a person" }, "BOT")] : []),
      el("time", { datetime: at.toISOString(), title: exactTimeOf(at) }, timeOf(at)),
    );
    item.body.textContent = item.state === "deleted" ? (own ? "You deleted this line." : "This line was deleted.") : item.text;
    if (item.stopped && item.state === "shown") item.body.append(el("span", { class: "edited" }, " (stopped)"));
    if (item.edited && item.state === "shown") item.body.append(el("span", { class: "edited" }, " (edited)"));
    li.dataset.state = item.state ?? "shown";
  }

  // offer puts what may be done with a stored line beside it, and what can be
  // undone below it.
  #offer(item) {
    if (item.editing) return;
    const { id, own, state } = item;
    const whose = own ? "your line" : `the line of ${item.name}`;
    item.tools.replaceChildren(
      ...(own && state === "shown" ? [tool("Edit", "Edit your line", () => this.#edit(item)), tool("Delete", "Delete your line", () => this.#actions.remove(id))] : []),
      ...(this.#staff && state === "shown" ? [tool("Hide", `Hide ${whose} from the others`, () => this.#actions.hide(id))] : []),
    );
    if (own && item.undo) item.foot.replaceChildren(tool("Undo", "Bring your line back", () => this.#actions.restore(id)));
    else if (this.#staff && state === "hidden") item.foot.replaceChildren("Only staff see this line.", tool("Show again", `Show ${whose} to the others again`, () => this.#actions.show(id)));
    else item.foot.replaceChildren();
  }

  // edit lets the line be changed in its place; Enter saves, Escape leaves it.
  #edit(item) {
    item.editing = true;
    const area = el("textarea", { "aria-label": "Edit your line", rows: "3", dir: "auto" });
    area.value = item.text;
    const leave = () => {
      item.editing = false;
      this.#fill(item);
      this.#offer(item);
      item.tools.querySelector("button")?.focus();
    };
    const save = async () => {
      const text = area.value;
      if (text.trim() !== "" && text !== item.text) {
        if (!(await this.#actions.save(item.id, text)) || !item.editing) return;
        Object.assign(item, { text, edited: true });
      }
      leave();
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") leave();
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      save();
    });
    item.tools.replaceChildren();
    item.body.replaceChildren(area);
    item.foot.replaceChildren(button("Save", "quiet", save), button("Cancel", "quiet", leave));
    area.focus();
  }

  // place moves a line only if it is not where its order wants it, because a
  // moved element loses the selection inside it.
  #place(item) {
    this.#empty.hidden = true;
    const { li } = item;
    let before = this.#list.lastElementChild;
    while (before && (before === li || this.#byLine.get(before).order > item.order)) before = before.previousElementSibling;
    const place = before ? before.nextElementSibling : this.#list.firstElementChild;
    const oldNext = li.nextElementSibling;
    if (place !== li) this.#list.insertBefore(li, place);
    for (const line of [li, li.nextElementSibling, oldNext]) if (line?.isConnected) this.#join(line);
    this.#follow();
  }

  // join writes the day above the first line of each day, and marks a line that
  // goes on with what the same sender has just said.
  #join(li) {
    const item = this.#byLine.get(li);
    const previous = li.previousElementSibling ? this.#byLine.get(li.previousElementSibling) : undefined;
    const sameDay = previous !== undefined && previous.at.toDateString() === item.at.toDateString();
    item.day.textContent = sameDay ? "" : dayOf(item.at);
    const together =
      sameDay && item.kind !== "notice" && previous.kind === item.kind && previous.senderKey === item.senderKey && item.at - previous.at < togetherFor;
    li.toggleAttribute("data-continued", together);
  }

  #remove(key) {
    const item = this.#items.get(key);
    if (!item) return;
    const next = item.li.nextElementSibling;
    this.#items.delete(key);
    item.li.remove();
    if (next) this.#join(next);
  }

  // follow keeps the newest line in view, once per painted frame.
  #follow() {
    if (!this.#atEnd || this.#following) return;
    this.#following = requestAnimationFrame(() => {
      this.#following = 0;
      if (this.#atEnd) this.toEnd();
    });
  }

  // Only who moves up leaves the end: text that has grown, or a log that has
  // shrunk, since the event's cause is no wish to read on above. A log that grows
  // moves up as well, but stays at its end.
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    const left = scrollHeight - scrollTop - clientHeight;
    if (scrollTop < this.#top) this.#atEnd = left < moved;
    else if (left < nearEnd) this.#atEnd = true;
    this.#top = scrollTop;
    if (this.#atEnd) this.#newest.hidden = true;
  }
}

// tool is a button whose label for screen readers also says of what.
function tool(text, label, onClick) {
  const node = button(text, "quiet", onClick);
  node.setAttribute("aria-label", label);
  return node;
}

// answers are buttons of which one can be chosen, once it has worked.
function answers(choices) {
  const buttons = choices.map(({ label, title, act }) =>
    tool(label, title, async () => {
      for (const each of buttons) each.disabled = true;
      const worked = await act();
      for (const each of buttons) {
        if (worked) each.remove();
        else each.disabled = false;
      }
    }),
  );
  return buttons;
}

function initial(name) {
  return (Array.from(name.trim())[0] ?? "?").toUpperCase();
}

function hue(name) {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + char.codePointAt(0)) % 360;
  return sum;
}
