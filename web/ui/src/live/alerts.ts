import type { Schemas } from "@/api/client";
import { served } from "@/place";

type Level = Schemas["PreferencesOut"]["notify"];

/** What is known of a room before and after something was said in it. */
export interface Counts {
  lastSeq: number;
  unread: number;
  mentions: number;
}

const most = 100; // stands for so many or more

/** Whether something new in a room is worth telling: by the room's level, or else the person's. */
export function isWorth(before: Counts, after: Counts, room: Level | null, person: Level): boolean {
  const level = room ?? person;
  if (level === "none" || after.lastSeq <= before.lastSeq) return false;
  const more = (a: number, b: number): boolean => b > a || (b === most && a === most);
  return more(before.mentions, after.mentions) || (level === "all" && more(before.unread, after.unread));
}

/** Whether the browser may show notifications; on plain http none can. */
export function permission(): NotificationPermission | "unavailable" {
  return typeof Notification === "undefined" || !isSecureContext ? "unavailable" : Notification.permission;
}

/** Shows a notification while the page is open but not in front. Several tabs show one, by its tag. */
export function notify(title: string, text: string, tag: string, open: () => void): void {
  if (permission() !== "granted") return;
  try {
    const shown = new Notification(title, { body: text, tag, icon: served("/favicon.svg") });
    shown.onclick = () => {
      window.focus();
      open();
      shown.close();
    };
  } catch {
    // Browsers of phones show notifications of service workers alone.
  }
}

let audio: AudioContext | undefined;

function ring(): void {
  audio ??= new AudioContext();
  // Before the first click on the page a browser plays nothing.
  if (audio.state === "suspended") void audio.resume().catch(() => {});
  const gain = audio.createGain();
  gain.connect(audio.destination);
  gain.gain.setValueAtTime(0.08, audio.currentTime);
  gain.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.35);
  [660, 880].forEach((hz, i) => {
    const tone = audio!.createOscillator();
    tone.frequency.value = hz;
    tone.connect(gain);
    tone.start(audio!.currentTime + i * 0.12);
    tone.stop(audio!.currentTime + 0.35);
  });
}

/** Plays a short sound; of several tabs one plays it. */
export function play(): void {
  if (typeof AudioContext === "undefined") return;
  if (!navigator.locks) return ring();
  void navigator.locks.request("coagent.sound", { ifAvailable: true }, async (lock) => {
    if (!lock) return;
    ring();
    await new Promise((done) => setTimeout(done, 1_500));
  });
}
