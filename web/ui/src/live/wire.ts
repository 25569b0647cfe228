import type { Schemas } from "@/api/client";

/* The two ways to the server: a socket, and events of which the requests go by HTTP. */

export type Frame = Schemas["MyFrame"];
export type Request = Schemas["MyRequest"];

export interface Hearer {
  opened(): void;
  data(text: unknown): void;
  /** It is over; opened says whether it ever was open. Nothing comes after that, nor after close. */
  closed(code: number, opened: boolean): void;
}

export interface Wire {
  readonly isOpen: boolean;
  /** Sends a request; false where nothing can be sent on this way, or not yet. */
  send(request: Request): boolean;
  close(): void;
}

export const protocol = "coagent.me.v1";
const openTimeout = 15_000;

const kinds = [
  "message", "system", "message_edited", "message_deleted", "reaction", "pin", "archived", "message_hidden", "message_shown", "turn", "budget", "guard",
  "a2a_trace", "workflow", "artifact_update", "artifact_delete", "approval", "joined", "delta", "ack", "presence", "typing", "editing", "resync", "stop",
  "react", "error", "rooms", "mention", "unsubscribed", "room_gone", "course_copy", "account",
];

export function socketWire(address: string, hearer: Hearer): Wire {
  const socket = new WebSocket(address, [protocol]);
  const timer = setTimeout(() => socket.close(), openTimeout);
  let opened = false;
  let over = false;
  socket.addEventListener("open", () => {
    clearTimeout(timer);
    if (over) return;
    opened = true;
    hearer.opened();
  });
  socket.addEventListener("message", (event) => {
    if (!over) hearer.data(event.data);
  });
  socket.addEventListener("close", (event) => {
    clearTimeout(timer);
    if (over) return;
    over = true;
    hearer.closed(event.code, opened);
  });
  const isOpen = (): boolean => !over && socket.readyState === WebSocket.OPEN;
  return {
    get isOpen() {
      return isOpen();
    },
    send(request) {
      if (!isOpen()) return false;
      socket.send(JSON.stringify(request));
      return true;
    },
    close() {
      over = true;
      clearTimeout(timer);
      if (socket.readyState <= WebSocket.OPEN) socket.close(1000);
    },
  };
}

export function eventsWire(address: string, hearer: Hearer): Wire {
  const events = new EventSource(address);
  let opened = false;
  let over = false;
  let code = 0;
  events.addEventListener("open", () => {
    if (over) return;
    opened = true;
    hearer.opened();
  });
  for (const kind of kinds) {
    events.addEventListener(kind, (event) => {
      // A frame of the type "error" has data; the browser's own error has none.
      if (!over && event instanceof MessageEvent) hearer.data(event.data);
    });
  }
  events.addEventListener("end", (event) => {
    code = Number((JSON.parse(String((event as MessageEvent).data)) as { code?: number }).code ?? 0);
  });
  events.addEventListener("error", (event) => {
    if (over || event instanceof MessageEvent) return;
    over = true;
    events.close();
    hearer.closed(code, opened);
  });
  return {
    get isOpen() {
      return !over && events.readyState === EventSource.OPEN;
    },
    send: () => false,
    close() {
      over = true;
      events.close();
    },
  };
}
