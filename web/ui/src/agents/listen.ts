import { ok, POST } from "@/api/client";
import { eventReader, type Heard } from "./heard";

/** Asks an agent something that nobody keeps, and tells each event of its answer. */
export async function listen(agentId: string, message: string, hear: (event: Heard) => void, signal: AbortSignal): Promise<void> {
  const stream = (await ok(
    POST("/api/v1/threads/stateless/{agent_id}/stream", { params: { path: { agent_id: agentId } }, body: { message }, parseAs: "stream", signal }),
  )) as unknown as ReadableStream<Uint8Array>;
  const reader = stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  const events = eventReader();
  for (;;) {
    const { done, value } = await reader.read();
    for (const data of events(done ? "\n\n" : value)) hear(JSON.parse(data) as Heard);
    if (done) return;
  }
}
