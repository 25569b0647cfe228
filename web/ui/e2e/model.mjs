// A model that speaks OpenAI's format and says what the test wants, when the test wants it.
// It serves as long as the test runs. A server is told of it by model.env:
//
//   const model = await scripted(t);
//   const server = await serve(t, { env: model.env });
//   const answer = model.hold("Socrates");       // the next request in whose text it stands
//   await answer.asked;                          // the agent is thinking
//   answer.write("Half an answer");              // it streams
//   answer.end(", and the rest.");
//
// What no test holds is answered at once by model.otherwise.
import { once } from "node:events";
import { createServer } from "node:http";

export async function scripted(t) {
  const held = [];
  const model = {
    /** Every request, oldest first: its body, and its text for a look at what was asked. */
    requests: [],
    /** The answer to what no test holds: a text, or a function of the request. */
    otherwise: "I see.",
    hold,
  };
  const server = createServer(async (request, response) => {
    if (request.method === "GET") return json(response, 200, { object: "list", data: ["gpt-4o-mini", "gpt-4o"].map((id) => ({ id, object: "model" })) });
    let raw = "";
    for await (const piece of request) raw += piece;
    const body = JSON.parse(raw);
    const asked = { body, text: body.messages.map((m) => (typeof m.content === "string" ? m.content : JSON.stringify(m.content ?? ""))).join("\n") };
    model.requests.push(asked);
    const one = held.find((h) => !h.answer.begun && h.is(asked)) ?? held.find((h) => h.answer.isCut && h.answer.comesAgain && h.is(asked));
    (one?.answer ?? freely(asked)).begin(asked, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  model.url = `http://127.0.0.1:${server.address().port}/v1`;
  // A test may take its time between two pieces of an answer.
  model.env = { COAGENT_LLM_OPENAI_BASE_URL: model.url, COAGENT_LLM_FIRST_TOKEN: "2m", COAGENT_LLM_SILENCE: "2m" };
  return model;

  function freely(asked) {
    const answer = new Answer();
    const said = typeof model.otherwise === "function" ? model.otherwise(asked) : model.otherwise;
    answer.end(said);
    return answer;
  }

  /** Holds the next request that has all of these texts in it; a function looks at the request itself. */
  function hold(...what) {
    const answer = new Answer();
    held.push({ is: typeof what[0] === "function" ? what[0] : (asked) => what.every((w) => asked.text.includes(w)), answer });
    return answer;
  }
}

/** One answer of the model. What is written before the request comes waits for it. */
class Answer {
  begun = false;
  isCut = false;
  comesAgain = false;
  #response;
  #acts = [];
  #calls = 0;
  constructor() {
    this.asked = new Promise((resolve) => (this.#begun = resolve));
    /** The server has hung up: the answer was stopped, or the server died. */
    this.cut = new Promise((resolve) => (this.#hungUp = resolve));
  }
  #begun;
  #hungUp;

  begin(asked, response) {
    [this.#response, this.begun, this.isCut, this.#calls] = [response, true, false, 0];
    response.on("close", () => {
      if (response.writableEnded || response !== this.#response) return;
      this.isCut = true;
      this.#hungUp();
    });
    for (const act of this.#acts) act();
    this.#begun(asked);
  }

  /** Begins again when it is asked for anew, as after a message that an agent hears before it has said something. */
  again() {
    this.comesAgain = true;
    return this;
  }

  /** Streams a piece. */
  write(text) {
    this.#soon(() => this.#chunk({ content: text }));
    return this;
  }

  /** Asks for a tool, with its arguments as an object. */
  call(name, args) {
    this.#soon(() => this.#chunk({ tool_calls: [{ index: this.#calls, id: `call_${++this.#calls}`, type: "function", function: { name, arguments: JSON.stringify(args) } }] }));
    return this;
  }

  /** The end, after a last piece. */
  end(text = "") {
    this.#soon(() => {
      if (text) this.#chunk({ content: text });
      this.#chunk({}, this.#calls ? "tool_calls" : "stop");
      this.#send({ id: "c", object: "chat.completion.chunk", choices: [], usage: { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 } });
      this.#response.end("data: [DONE]\n\n");
    });
    return this;
  }

  /** Refuses the request, as a provider does. */
  fail(status, message) {
    this.#soon(() => json(this.#response, status, { error: { message, type: "error", code: null } }));
    return this;
  }

  #soon(act) {
    this.#acts.push(act);
    if (this.#response && !this.isCut) act();
  }
  #chunk(delta, finish_reason = null) {
    this.#send({ id: "c", object: "chat.completion.chunk", model: "gpt-4o-mini", choices: [{ index: 0, delta, finish_reason }] });
  }
  #send(event) {
    if (!this.#response.headersSent) this.#response.writeHead(200, { "content-type": "text/event-stream" });
    this.#response.write(`data: ${JSON.stringify(event)}\n\n`);
  }
}

function json(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
