import { computed, inject, onScopeDispose, provide, ref, shallowReactive, shallowRef, type InjectionKey } from "vue";
import { useI18n } from "vue-i18n";
import { useSession } from "@/account/session";
import { GET, ok, PUT, type Schemas } from "@/api/client";
import { Problem } from "@/api/problem";
import type { Frame } from "@/live/connection";
import { useLive } from "@/live/live";
import { useFailure } from "@/parts/failure";
import { toast } from "@/parts/toasts";
import { makeActions } from "./actions";
import { makeHere } from "./here";
import type { Line, RoomFrame } from "./line";
import { Outbox, type Waiting } from "./outbox";
import { Timeline } from "./timeline";

export type Can = Schemas["RoomCan"];
/** Where to scroll; a new one each time, also to the same place. */
export type Goal = { to: "end" | "unread" } | { to: "line"; seq: number; flash: boolean };

const pageSize = 80;
const silentAfter = 10_000; // the server names the answers under way at once
const readAfter = 400;

/** One open room: what is said in it, who is there, and what one may do. */
export function openRoom(id: string, at: number | undefined) {
  const session = useSession();
  const live = useLive();
  const words = useFailure();
  const { t } = useI18n();
  const me = session.me!;
  const info = shallowRef<Schemas["RoomOut"]>();
  const can = ref<Can>();
  const archived = ref(false);
  const gone = ref(false);
  const loaded = ref(false);
  const failure = shallowRef<unknown>();
  const version = ref(0);
  const unreadAfter = ref<number>();
  const unreadCount = ref(0);
  const fresh = ref(0); // said since one has left the end
  const said = ref(""); // for who listens to the page
  const goal = shallowRef<Goal>(); // where the page is to scroll to
  const returned = shallowRef<Waiting>(); // an unsent message that its author takes back
  const more = ref(false); // another part of the history is on its way
  const here = makeHere(id, me.id);
  // Many frames may come at once, as after a lost connection: the page shows them together.
  let hearing = false;
  let due: ReturnType<typeof setTimeout> | undefined;
  function soon(): void {
    due ??= setTimeout(() => {
      due = undefined;
      version.value++;
    }, 16);
  }
  const timeline = new Timeline(me.id, { wrap: (line) => shallowReactive(line), changed: () => (hearing ? soon() : version.value++) });
  const rows = computed(() => (version.value, timeline.rows(unreadAfter.value)));
  const answering = computed(() => (version.value, timeline.live.filter((l) => !["parked", "paused", "approval"].includes(l.turn!.doing))));
  const outbox = new Outbox(me.id, id, {
    send: (post) => live.send(post),
    silent: () => live.renew(),
    shown: (line) => timeline.waiting(line.refused === "" ? { ...line, refused: t("room.tooLong") } : line, { name: session.name }),
    gone: (clientId) => timeline.drop(clientId),
  });
  const path = { room_id: id };
  let leave = (): void => {};
  let over = false;
  let atEnd = true;
  let readSeq = 0;
  let reading: ReturnType<typeof setTimeout> | undefined;

  // ----- loading

  async function load(): Promise<void> {
    failure.value = undefined;
    try {
      const room = await ok(GET("/api/v1/rooms/{room_id}", { params: { path, query: { include: ["agents", "me", "running", "pins"] } } }));
      const page = await pageOf(at === undefined ? {} : { around: String(at) });
      if (over) return;
      info.value = room;
      can.value = room.can;
      archived.value = room.archived_at !== undefined;
      here.agents.value = room.agents ?? [];
      here.pins.value = room.pins ?? [];
      readSeq = room.me?.read_seq ?? 0;
      unreadCount.value = room.me?.unread ?? 0;
      if (unreadCount.value > 0) unreadAfter.value = readSeq;
      timeline.replace(page);
      for (const turn of room.running ?? []) timeline.take(turn);
      for (const line of outbox.lines) timeline.waiting(line, { name: session.name });
      goal.value = at !== undefined ? { to: "line", seq: page.at ?? at, flash: true } : { to: unreadCount.value > 0 ? "unread" : "end" };
      loaded.value = true;
      void here.load(can.value);
      leave();
      // From the last message on, what came behind it comes again: notices are not in the history.
      leave = live.follow({ room_id: id, after: Math.min(room.me?.last_seq ?? 0, page.more_after ? Infinity : (page.messages.at(-1)?.seq ?? 0)) }, hear);
      if (live.online) outbox.flush();
    } catch (cause) {
      if (over) return;
      if (cause instanceof Problem && (cause.status === 403 || cause.status === 404)) gone.value = true;
      else failure.value = cause;
    }
  }

  async function pageOf(query: { before?: number; after?: number; around?: string }) {
    return ok(GET("/api/v1/rooms/{room_id}/messages", { params: { path, query: { limit: pageSize, ...query } } }));
  }

  async function part<T>(what: () => Promise<T>): Promise<T | undefined> {
    if (more.value) return undefined;
    more.value = true;
    try {
      return await what();
    } catch (cause) {
      if (!over) toast(words(cause), { kind: "failed" });
      return undefined;
    } finally {
      more.value = false;
    }
  }

  async function earlier(): Promise<void> {
    const first = timeline.stored()[0];
    if (!timeline.moreBefore || !first) return;
    const page = await part(() => pageOf({ before: first.seq }));
    if (page && !over) timeline.prepend(page);
  }

  async function later(): Promise<void> {
    const last = timeline.stored().at(-1);
    if (!timeline.moreAfter || !last) return;
    const page = await part(() => pageOf({ after: last.seq }));
    if (page && !over) timeline.append(page);
  }

  /** Shows a message, wherever it is. */
  async function jump(seq: number, flash = true): Promise<void> {
    const stored = timeline.stored();
    const near = stored.some((l) => l.seq === seq) || (stored.length > 0 && seq >= stored[0]!.seq && seq <= stored.at(-1)!.seq);
    if (!near) {
      const page = await part(() => pageOf({ around: String(Math.max(1, seq)) }));
      if (!page || over) return;
      timeline.replace(page);
    }
    goal.value = { to: "line", seq, flash };
  }

  async function toUnread(): Promise<void> {
    if (unreadAfter.value === undefined) return;
    if (timeline.stored()[0]!.seq > unreadAfter.value + 1 && timeline.moreBefore) {
      const page = await part(() => pageOf({ around: String(Math.max(1, unreadAfter.value!)) }));
      if (!page || over) return;
      timeline.replace(page);
    }
    goal.value = { to: "unread" };
  }

  async function toEnd(): Promise<void> {
    if (timeline.moreAfter) {
      const page = await part(() => pageOf({}));
      if (!page || over) return;
      timeline.replace(page);
    }
    fresh.value = 0;
    goal.value = { to: "end" };
  }

  async function resync(): Promise<void> {
    const page = await part(() => pageOf({}));
    if (!page || over) return;
    timeline.replace(page);
    goal.value = { to: "end" };
    void here.load(can.value);
  }

  // ----- what comes

  let pieces: RoomFrame[] = [];
  function flush(): void {
    const all = pieces;
    pieces = [];
    for (const piece of all) take(piece);
  }

  function take(frame: RoomFrame): Line | undefined {
    hearing = true;
    const line = timeline.take(frame);
    hearing = false;
    return line;
  }

  function hear(frame: Frame): void {
    if (frame.type === "delta") {
      // One rendering for each painted frame.
      if (pieces.push(frame) === 1) requestAnimationFrame(flush);
      return;
    }
    flush();
    switch (frame.type) {
      case "joined":
        can.value = frame.can;
        archived.value = frame.archived;
        setTimeout(() => timeline.prune(), silentAfter);
        break;
      case "archived":
        archived.value = frame.archived;
        break;
      case "ack":
        outbox.acked(frame.client_id);
        timeline.acked(frame.client_id, frame.id, frame.seq);
        if (frame.not_called?.length) toast(t("room.notCalled", { names: frame.not_called.map((m) => m.name ?? t("room.everyone")).join(", ") }), { kind: "failed" });
        return;
      case "error":
        if (frame.client_id && outbox.find(frame.client_id)) outbox.refused(frame.client_id, frame.message, frame.retry_after);
        else if (frame.code !== "not_subscribed") toast(frame.message, { kind: "failed" });
        return;
      case "resync":
        void resync();
        return;
      case "unsubscribed":
        gone.value ||= frame.reason === "not_member";
        return;
      case "room_gone":
        if (!frame.archived) gone.value = true;
        return;
      case "turn":
        if (frame.state === "finished" && frame.seq === undefined) setTimeout(() => timeline.prune(), silentAfter);
        break;
    }
    here.take(frame, can.value);
    if (frame.type === "rooms" || frame.type === "mention" || frame.type === "course_copy" || frame.type === "account") return;
    if (frame.type === "message" && frame.client_id) outbox.acked(frame.client_id);
    const line = take(frame);
    if (line) news(line);
  }

  function news(line: Line): void {
    if (line.own || line.kind === "notice") return;
    if (!line.turn) said.value = t(line.kind === "agent" ? "room.agentSaid" : "room.personSaid", { name: line.name, text: line.text.slice(0, 500) });
    if (!atEnd) fresh.value++;
    read();
  }

  // ----- reading: what is seen at the end, with the window in front

  function seen(end: boolean): void {
    atEnd = end;
    if (end) fresh.value = 0;
    read();
  }

  function read(): void {
    clearTimeout(reading);
    if (!atEnd || !loaded.value || timeline.moreAfter || document.hidden || !document.hasFocus() || timeline.head <= readSeq) return;
    reading = setTimeout(() => {
      const seq = timeline.head;
      readSeq = seq;
      unreadCount.value = 0;
      ok(PUT("/api/v1/rooms/{room_id}/read", { params: { path }, body: { seq } })).catch(() => {
        readSeq = 0; // it is said again
      });
    }, readAfter);
  }
  addEventListener("focus", read);
  document.addEventListener("visibilitychange", read);

  function send(text: string, more: Pick<Waiting, "files" | "mentions" | "reply">): void {
    outbox.add(text, more);
    if (timeline.moreAfter) void toEnd();
    else goal.value = { to: "end" };
  }

  /** Takes an unsent message back, to be edited or dropped. */
  function takeBack(clientId: string, toEdit: boolean): void {
    const line = outbox.remove(clientId);
    timeline.drop(clientId);
    if (toEdit) returned.value = line;
  }

  /** Staff stop any answer; who said what is answered stops that one. */
  function mayStop(): boolean {
    void version.value;
    return can.value?.stop === true || timeline.lines.findLast((l) => l.kind === "person" && l.id !== undefined)?.own === true;
  }

  /** Edits what one has said last, if it is there. */
  function editLast(): void {
    const last = timeline.stored().findLast((l) => l.own && l.state === "shown");
    if (!last || !can.value?.edit) return;
    actions.editing.value = last.id;
  }

  const stops = [
    live.whenOpen(() => {
      if (loaded.value) outbox.flush();
      else if (failure.value) void load();
    }),
    live.whenTooLarge(() => outbox.refuseLongest(t("room.tooLong"))),
  ];
  onScopeDispose(() => {
    over = true;
    leave();
    stops.forEach((stop) => stop());
    outbox.close();
    here.close();
    clearTimeout(reading);
    clearTimeout(due);
    removeEventListener("focus", read);
    document.removeEventListener("visibilitychange", read);
  });

  const actions = makeActions({ id, timeline, can, unreadAfter, here, words, t });
  return {
    id, me, info, can, archived, gone, loaded, failure, rows, unreadAfter, unreadCount, fresh, said, goal, more, here, timeline, answering, version, outbox,
    load, earlier, later, jump, toUnread, toEnd, seen, send, takeBack, mayStop, editLast, returned, ...actions,
  };
}

export type Room = ReturnType<typeof openRoom>;
const key: InjectionKey<Room> = Symbol("room");
export const provideRoom = (room: Room): void => provide(key, room);
export function useRoom(): Room {
  const room = inject(key);
  if (!room) throw new Error("no room is open here");
  return room;
}
