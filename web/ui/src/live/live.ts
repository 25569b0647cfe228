import { defineStore } from "pinia";
import { computed, ref, watch } from "vue";
import { useSession } from "@/account/session";
import { DELETE, GET, ok, POST, PUT, renewed, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";
import { i18n } from "@/i18n";
import { plain } from "@/parts/plain";
import { toast } from "@/parts/toasts";
import { server } from "@/place";
import { forgetOthers } from "@/room/kept";
import { isWorth, notify, play } from "./alerts";
import { Connection, type Followed, type Frame, type Request, type State } from "./connection";
import { useRooms } from "./rooms";

// Shorter breaks are nobody's business.
const silentFor = 2_000;

/** The connection of who is signed in, and who hears what comes over it. */
export const useLive = defineStore("live", () => {
  const session = useSession();
  const rooms = useRooms();
  const state = ref<State>("ended");
  const down = ref(false);
  const renewable = ref(false); // the server has another version than this page
  const online = computed(() => state.value === "open");
  const hearers = new Map<string, Set<(frame: Frame) => void>>();
  const hearersOfAll = new Set<(frame: Frame) => void>();
  const opened = new Set<() => void>();
  const tooLarge = new Set<() => void>();
  let connection: Connection | undefined;
  let slow: ReturnType<typeof setTimeout> | undefined;
  let loading: Promise<void> | undefined;
  let times = 0;

  function start(): void {
    if (connection || !session.me || session.mustSetUp) return;
    forgetOthers(session.me.id);
    void load();
    connection = new Connection({
      socketAddress: () => `${server.replace(/^http/, "ws")}/api/v1/users/me/ws`,
      eventsAddress: (list) => {
        const query = new URLSearchParams();
        if (list.length > 0) {
          query.set("rooms", list.map((r) => r.room_id).join(","));
          query.set("after", list.map((r) => r.after ?? "").join(","));
        }
        return `${server}/api/v1/users/me/events?${query}`;
      },
      onFrame: take,
      onState: turn,
      onEnd: () => {
        session.ended = true;
        session.me = null;
      },
      onTooLarge: () => tooLarge.forEach((f) => f()),
      renew: renewed,
      check,
      byHTTP,
    });
    connection.start();
  }

  function stop(): void {
    connection?.stop();
    connection = undefined;
    clearTimeout(slow);
    slow = undefined;
    down.value = false;
    state.value = "ended";
    rooms.clear();
  }

  watch(
    () => !session.mustSetUp && session.me?.id,
    () => {
      stop();
      start();
    },
    { immediate: true },
  );

  function turn(to: State): void {
    state.value = to;
    if (to !== "open") {
      slow ??= setTimeout(() => {
        down.value = true;
      }, silentFor);
      return;
    }
    clearTimeout(slow);
    slow = undefined;
    down.value = false;
    if (!rooms.loaded) void load();
    if (times++ > 0) void compare();
    opened.forEach((f) => f());
  }

  /** Reads all rooms by their courses; several that ask at once get one answer. */
  function load(): Promise<void> {
    loading ??= rooms
      .load()
      .catch((cause: unknown) => {
        // It is read again when the connection is back; until then the page says why it is empty.
        rooms.failure = cause;
      })
      .finally(() => {
        loading = undefined;
      });
    return loading;
  }

  async function compare(): Promise<void> {
    try {
      const meta = await ok(GET("/api/v1/meta"));
      renewable.value = session.meta !== null && meta.version !== session.meta.version;
    } catch {
      // It is compared again another time.
    }
  }

  function take(frame: Frame): void {
    hearersOfAll.forEach((hear) => hear(frame));
    switch (frame.type) {
      case "rooms":
        tell(frame);
        if (rooms.loaded && rooms.take(frame)) void load();
        return;
      case "room_gone":
        rooms.forget(frame.room_id);
        break;
      case "account":
        void session.load().catch(() => {});
        void load();
        return;
      case "mention": {
        const known = rooms.byId.get(frame.room_id);
        const name = known?.notify === "none" ? undefined : known?.name;
        if (!hearers.has(frame.room_id) && name) toast(i18n.global.t("live.mention", { sender: frame.sender, room: name, excerpt: plain(frame.excerpt) }));
        return;
      }
    }
    const room = "room_id" in frame ? frame.room_id : undefined;
    if (room) hearers.get(room)?.forEach((hear) => hear(frame));
  }

  /** Tells of what is new in rooms that are not looked at, as loudly as the person likes it. */
  function tell(news: Schemas["MeRooms"]): void {
    if (!rooms.loaded || news.all) return;
    const front = !document.hidden && document.hasFocus();
    let sounds = false;
    for (const r of news.rooms) {
      const known = rooms.byId.get(r.room_id);
      if (!known || (front && hearers.has(r.room_id))) continue;
      if (!isWorth(known, { lastSeq: r.last_seq, unread: r.unread, mentions: r.mentions }, known.notify, session.me?.preferences?.notify ?? "all")) continue;
      sounds = true;
      if (!front && r.last_message) notify(`${r.last_message.sender} · ${r.name}`, plain(r.last_message.excerpt), r.room_id, () => opensRoom(r.room_id));
    }
    if (sounds && session.me?.preferences?.sound) play();
  }
  let opensRoom = (_id: string): void => {};

  /** Hears all of a room behind a seq until the returned function is called. */
  function follow(room: Followed, hear: (frame: Frame) => void): () => void {
    const set = hearers.get(room.room_id) ?? new Set();
    hearers.set(room.room_id, set.add(hear));
    connection?.follow(room);
    return () => {
      set.delete(hear);
      if (set.size > 0) return;
      hearers.delete(room.room_id);
      connection?.unfollow(room.room_id);
    };
  }

  /** Hears every frame of the person's own, whatever room it is of. */
  function hearAll(hear: (frame: Frame) => void): () => void {
    hearersOfAll.add(hear);
    return () => hearersOfAll.delete(hear);
  }

  function whenOpen(then: () => void): () => void {
    opened.add(then);
    return () => opened.delete(then);
  }
  function whenTooLarge(then: () => void): () => void {
    tooLarge.add(then);
    return () => tooLarge.delete(then);
  }

  return {
    load,
    state,
    down,
    online,
    renewable,
    start,
    whenClicked: (open: (room: string) => void) => void (opensRoom = open),
    follow,
    hearAll,
    whenOpen,
    whenTooLarge,
    send: (request: Request) => connection?.send(request) ?? false,
    retryNow: () => connection?.retryNow(),
    renew: () => connection?.renew(),
  };
});

async function check(): Promise<"fine" | "signed-out" | "away"> {
  try {
    await ok(GET("/api/v1/users/me"));
    return "fine";
  } catch (cause) {
    return cause instanceof Problem && cause.status === 401 ? "signed-out" : "away";
  }
}

/** Does a request of the socket by HTTP, and answers as the socket would. */
async function byHTTP(request: Request): Promise<Frame[]> {
  if (!("room_id" in request)) return [];
  const room_id = request.room_id;
  try {
    if (request.type === "post") {
      const { type: _, room_id: __, ...body } = request;
      const said = await ok(POST("/api/v1/rooms/{room_id}/messages", { params: { path: { room_id } }, body }));
      return [{ type: "ack", room_id, client_id: request.client_id, id: said.id, seq: said.seq, dup: false, ...(said.not_called ? { not_called: said.not_called } : {}) }];
    }
    if (request.type === "stop") await ok(POST("/api/v1/rooms/{room_id}/turns/{turn_id}/stop", { params: { path: { room_id, turn_id: request.turn_id } } }));
    if (request.type === "react") {
      const path = { room_id, message_id: request.message_id };
      const said = request.remove
        ? await ok(DELETE("/api/v1/rooms/{room_id}/messages/{message_id}/reactions", { params: { path, query: { emoji: request.emoji } } }))
        : await ok(PUT("/api/v1/rooms/{room_id}/messages/{message_id}/reactions", { params: { path }, body: { emoji: request.emoji } }));
      return [{ type: "react", room_id, message_id: said.message_id, reactions: said.reactions }];
    }
    return [];
  } catch (cause) {
    const problem = cause instanceof Problem ? cause : undefined;
    const away = !problem || problem.status === 0;
    return [
      {
        type: "error",
        room_id,
        code: away ? "unavailable" : (problem.code as Exclude<typeof problem.code, "unreachable">),
        detail: problem?.message ?? "",
        message: away ? i18n.global.t("failed.unreachable") : problem.message,
        ...(request.type === "post" ? { client_id: request.client_id } : {}),
        ...(away ? { retry_after: 5 } : problem.retryAfter !== undefined ? { retry_after: problem.retryAfter } : {}),
      },
    ];
  }
}
