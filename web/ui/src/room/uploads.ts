import { computed, ref } from "vue";
import { useI18n } from "vue-i18n";
import { DELETE, ok, renewed, type Schemas } from "@/api/client";
import { Problem, problemOf, unreachable } from "@/api/problem";
import { useFailure } from "@/parts/failure";
import { toast } from "@/parts/toasts";
import { newId } from "@/parts/ids";
import { server } from "@/place";
import type { File as Stored } from "./line";

export interface Upload {
  id: string;
  name: string;
  size: number;
  part: number; // 0 to 1
  stored: Stored | undefined;
  error: string | undefined;
  source: Blob;
}

/** Files on their way to a room, before a message shows them. */
export function useUploads(room: string, limits: () => Schemas["MetaLimitsOut"] | undefined) {
  const words = useFailure();
  const { t } = useI18n();
  const list = ref<Upload[]>([]);
  const requests = new Map<string, XMLHttpRequest>();
  const busy = computed(() => list.value.some((u) => !u.stored && !u.error));
  const ready = computed(() => list.value.flatMap((u) => (u.stored ? [u.stored] : [])));

  function add(files: Iterable<File>): void {
    for (const file of files) {
      if (list.value.length >= (limits()?.files_per_message ?? 10)) {
        toast(t("room.tooManyFiles", { n: limits()?.files_per_message ?? 10 }), { kind: "failed" });
        return;
      }
      const most = limits()?.file_bytes;
      list.value.push({
        id: newId(),
        name: file.name || "image.png",
        size: file.size,
        part: 0,
        stored: undefined,
        error: most !== undefined && file.size > most ? t("room.tooLarge", { mb: Math.floor(most / 1024 / 1024) }) : undefined,
        source: file,
      });
      const upload = list.value.at(-1)!;
      if (!upload.error) void start(upload);
    }
  }

  async function start(upload: Upload, again = true): Promise<void> {
    upload.error = undefined;
    upload.part = 0;
    try {
      upload.stored = await send(upload);
      upload.part = 1;
    } catch (cause) {
      if (cause instanceof Problem && cause.status === 401 && again && (await renewed().catch(() => false))) return start(upload, false);
      upload.error = words(cause);
    }
  }

  // fetch does not tell how far a body has come.
  function send(upload: Upload): Promise<Stored> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      requests.set(upload.id, request);
      const query = new URLSearchParams({ name: upload.name, client_id: upload.id });
      request.open("POST", `${server}/api/v1/rooms/${room}/files?${query}`);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.setRequestHeader("Accept-Language", document.documentElement.lang.startsWith("zh") ? "zh-TW" : "en");
      request.upload.onprogress = (event) => {
        if (event.lengthComputable) upload.part = event.loaded / event.total;
      };
      request.onerror = () => reject(new Problem(0, unreachable, unreachable));
      request.onload = async () => {
        if (request.status < 300) resolve(JSON.parse(request.responseText) as Schemas["FileOut"]);
        else reject(await problemOf(new Response(request.responseText, { status: request.status, headers: { "Retry-After": request.getResponseHeader("Retry-After") ?? "" } })));
      };
      request.send(upload.source);
    });
  }

  function remove(upload: Upload): void {
    requests.get(upload.id)?.abort();
    forget(upload);
    // The server drops what no message shows after a day anyway.
    if (upload.stored) ok(DELETE("/api/v1/files/{file_id}", { params: { path: { file_id: upload.stored.id } } })).catch(() => {});
  }

  function forget(upload: Upload): void {
    requests.delete(upload.id);
    list.value = list.value.filter((u) => u.id !== upload.id);
  }

  /** The message that shows them is on its way. */
  function sent(): void {
    for (const upload of [...list.value]) if (upload.stored) forget(upload);
  }

  /** Takes back what a message that was not sent has had. */
  function takeBack(files: Stored[]): void {
    for (const f of files) list.value.push({ id: f.id, name: f.name, size: f.size, part: 1, stored: f, error: undefined, source: new Blob() });
  }

  return { list, busy, ready, add, start, remove, sent, takeBack };
}
export type Uploads = ReturnType<typeof useUploads>;
