// A Connection keeps one room's socket open: it reconnects with growing, jittered
// pauses and asks each time for what came after the last event seen. It ends for
// good when the server says so by a close code, or when check says so after a
// refused handshake (a browser does not tell why one was refused).

const protocol = "coagent.v2";
const closeSessionEnded = 4001;
const closeNotMember = 4003;
const closeTooLarge = 1009;
const firstPause = 500;
const longestPause = 15000;
const openTimeout = 15000;
const settledAfter = 5000;
const staleAfterHidden = 60000;

export class Connection {
  #socket = null;
  #tries = 0;
  #timer = 0;
  #openTimer = 0;
  #settleTimer = 0;
  #hiddenAt = 0;
  #stopped = false;
  #life = new AbortController();
  #options;

  // options: address() -> URL, onFrame(object), onState("connecting" | "open" |
  // "waiting"), onTooLarge() for a frame that the server
  // does not take, onEnd("session" | "member"), check() -> Promise of "" to go on
  // trying or a reason for onEnd.
  constructor(options) {
    this.#options = options;
  }

  start() {
    const { signal } = this.#life;
    window.addEventListener("online", () => this.retryNow(), { signal });
    document.addEventListener("visibilitychange", () => this.#visibilityChanged(), { signal });
    this.#open();
  }

  stop() {
    this.#stopped = true;
    this.#life.abort();
    this.#drop();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(frame) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  retryNow() {
    if (this.#stopped || this.#socket) return;
    this.#open();
  }

  // renew replaces a socket that seems dead although the browser calls it open.
  renew() {
    if (this.#stopped) return;
    this.#drop();
    this.#open();
  }

  #open() {
    clearTimeout(this.#timer);
    this.#options.onState("connecting");
    const socket = new WebSocket(this.#options.address(), [protocol]);
    this.#socket = socket;
    let opened = false;
    this.#openTimer = setTimeout(() => socket.close(), openTimeout);
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      opened = true;
      clearTimeout(this.#openTimer);
      this.#settleTimer = setTimeout(() => {
        this.#tries = 0;
      }, settledAfter);
      this.#options.onState("open");
    });
    socket.addEventListener("message", (event) => {
      if (socket !== this.#socket) return;
      const frame = parse(event.data);
      if (frame) this.#options.onFrame(frame);
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.#socket) this.#closed(event.code, opened);
    });
  }

  async #closed(code, opened) {
    this.#drop();
    if (code === closeSessionEnded) return this.#end("session");
    if (code === closeNotMember) return this.#end("member");
    if (code === closeTooLarge) this.#options.onTooLarge();
    this.#options.onState("waiting");
    this.#pause();
    if (opened) return;
    const reason = await this.#options.check();
    if (reason !== "" && !this.#stopped && !this.isOpen) this.#end(reason);
  }

  #pause() {
    const longest = Math.min(longestPause, firstPause * 2 ** this.#tries);
    this.#tries += 1;
    // A whole class loses its sockets in the same instant when a server restarts.
    this.#timer = setTimeout(() => this.#open(), longest * (0.5 + Math.random() / 2));
  }

  #drop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#openTimer);
    clearTimeout(this.#settleTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(1000);
  }

  #end(reason) {
    this.stop();
    this.#options.onEnd(reason);
  }

  // A phone that slept may hold a socket that is long dead on the other side.
  #visibilityChanged() {
    if (document.hidden) {
      this.#hiddenAt = Date.now();
      return;
    }
    if (!this.#socket) this.retryNow();
    else if (this.isOpen && this.#hiddenAt > 0 && Date.now() - this.#hiddenAt > staleAfterHidden) this.renew();
  }
}

function parse(data) {
  if (typeof data !== "string") return null;
  try {
    const frame = JSON.parse(data);
    return frame !== null && typeof frame === "object" ? frame : null;
  } catch {
    return null;
  }
}
