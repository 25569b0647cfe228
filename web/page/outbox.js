// The Outbox holds the lines of one person in one room that the server has not
// acknowledged yet, and the unfinished draft. It lives in sessionStorage, so a
// reload or an ended session loses neither; the server knows a line that is sent
// twice by its client id.

const root = "coagent.";

export class Outbox {
  #key;
  #draftKey;
  #lines;

  constructor(userId, roomId) {
    this.#key = `${root}outbox.${userId}.${roomId}`;
    this.#draftKey = `${root}draft.${userId}.${roomId}`;
    this.#lines = read(this.#key);
  }

  get lines() {
    return [...this.#lines];
  }

  add(text) {
    const line = { client_id: newId(), text, at: new Date().toISOString() };
    this.#lines.push(line);
    this.#save();
    return line;
  }

  find(clientId) {
    return this.#lines.find((line) => line.client_id === clientId);
  }

  // refuse marks a line that the server does not take, so that it is not resent
  // before its author asks for it.
  refuse(clientId, detail) {
    const line = this.find(clientId);
    if (!line) return;
    line.refused = detail;
    this.#save();
  }

  retry(clientId) {
    const line = this.find(clientId);
    if (!line) return;
    delete line.refused;
    this.#save();
  }

  remove(clientId) {
    this.#lines = this.#lines.filter((line) => line.client_id !== clientId);
    this.#save();
  }

  get draft() {
    return stored(this.#draftKey) ?? "";
  }

  set draft(text) {
    store(this.#draftKey, text);
  }

  #save() {
    store(this.#key, this.#lines.length === 0 ? "" : JSON.stringify(this.#lines));
  }
}

// unsentCount counts the waiting lines of a person in every room of this tab.
export function unsentCount(userId) {
  return keys().filter((key) => key.startsWith(`${root}outbox.${userId}.`)).reduce((sum, key) => sum + read(key).length, 0);
}

// forget drops what people other than keepUserId left in this tab; without an
// argument, everybody's.
export function forget(keepUserId) {
  for (const key of keys()) {
    if (key.startsWith(root) && key.split(".")[2] !== keepUserId) store(key, "");
  }
}

// crypto.randomUUID exists only on https and localhost; a class reaches a laptop
// by plain http and its address.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Storage may be refused (private windows, a full quota); lines then live as
// long as the page.
function store(key, text) {
  try {
    if (text === "") sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  } catch {
    return;
  }
}

function stored(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function keys() {
  try {
    return Object.keys(sessionStorage);
  } catch {
    return [];
  }
}

function read(key) {
  try {
    const lines = JSON.parse(stored(key) ?? "[]");
    return Array.isArray(lines) ? lines.filter((line) => typeof line?.client_id === "string" && typeof line.text === "string") : [];
  } catch {
    return [];
  }
}
