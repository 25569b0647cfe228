// Composer is the box in which a line is written: it grows, keeps its draft,
// and tells at most every few seconds that somebody types.

import { byId } from "./dom.js";

const typingEvery = 3000;

export class Composer {
  #box = byId("composer-text");
  #typedAt = 0;
  #entered = false; // the Enter that has just sent is still down
  #options;

  // options: signal, draft, onDraft(text), onTyping() -> whether it was told,
  // onSubmit(text).
  constructor(options) {
    this.#options = options;
    const { signal } = options;
    this.#box.value = options.draft;
    this.#fit();
    this.#box.addEventListener("input", () => this.#edited(), { signal });
    this.#box.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.#box.addEventListener("keyup", () => { this.#entered = false; }, { signal });
    this.#box.addEventListener("beforeinput", (event) => this.#beforeInput(event), { signal });
    byId("composer").addEventListener("submit", (event) => this.#submit(event), { signal });
  }

  // putBack returns the text of an unsent line for editing.
  putBack(text) {
    this.#box.value = this.#box.value === "" ? text : `${text}\n${this.#box.value}`;
    this.#edited();
    this.#box.focus();
  }

  // On a touch screen focus would bring up the keyboard over the messages.
  focusUnlessTouch() {
    if (matchMedia("(hover: hover)").matches) this.#box.focus();
  }

  #edited() {
    this.#options.onDraft(this.#box.value);
    this.#fit();
    if (this.#box.value.trim() === "" || Date.now() - this.#typedAt < typingEvery) return;
    if (this.#options.onTyping()) this.#typedAt = Date.now();
  }

  // The Enter that picks a word in a Chinese or Japanese input method must not
  // send; Safari reports it after the composition ended, with key code 229.
  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#entered = true;
    if (!event.repeat) byId("composer").requestSubmit();
  }

  // Some keyboards and drivers deliver the line break apart from its key.
  #beforeInput(event) {
    if (this.#entered && event.inputType === "insertLineBreak") event.preventDefault();
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#box.value.trim();
    if (text === "") return;
    this.#box.value = "";
    this.#typedAt = 0;
    this.#options.onDraft("");
    this.#fit();
    this.#options.onSubmit(text);
  }

  // The style sheet limits the height.
  #fit() {
    this.#box.style.height = "auto";
    this.#box.style.height = `${this.#box.scrollHeight + 2}px`;
  }
}
