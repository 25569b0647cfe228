import type { Schemas } from "@/api/client";
import { preferred, setLanguage } from "@/i18n";
import { setZone } from "@/parts/zone";
import { root } from "@/place";
import { setTheme } from "@/theme";

export type Preferences = Schemas["PreferencesOut"];

const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(`coagent.preferences${root}`);

/** Makes the whole page as the person likes it, at once. */
export async function show(likes: Preferences | undefined): Promise<void> {
  setTheme(likes?.theme ?? "system");
  setZone(likes?.time_zone);
  document.documentElement.dataset["density"] = likes?.density ?? "comfortable";
  await setLanguage(likes?.locale ?? preferred());
}

/** Tells the other tabs of the same person. */
export function tell(person: string, likes: Preferences): void {
  channel?.postMessage({ person, likes });
}

export function hear(take: (person: string, likes: Preferences) => void): void {
  channel?.addEventListener("message", ({ data }: MessageEvent<{ person: string; likes: Preferences }>) => take(data.person, data.likes));
}
