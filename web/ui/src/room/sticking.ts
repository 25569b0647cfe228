/*
 * Keeps a list at its end while the person is there, and what the person reads in its place
 * otherwise. Rows grow after they were put in, so what decides is what the person does: the
 * end is left by a wish to read on above, never by text that has grown.
 */

const near = 48;

export class Sticking {
  #el: () => HTMLElement | undefined;
  #told: (atEnd: boolean, sticks: boolean) => void;
  #sticks = true;
  #anchor: string | undefined; // the row whose first line stays in view
  #top = 0;
  #height = 0;
  #client = 0;
  #held: { row: HTMLElement; top: number } | undefined;
  #observer: ResizeObserver | undefined;

  constructor(el: () => HTMLElement | undefined, told: (atEnd: boolean, sticks: boolean) => void) {
    this.#el = el;
    this.#told = told;
  }

  observe(...elements: HTMLElement[]): void {
    this.#observer = new ResizeObserver(() => this.#follow());
    for (const el of elements) this.#observer.observe(el);
  }

  stop(): void {
    this.#observer?.disconnect();
  }

  stick(): void {
    this.#sticks = true;
    this.#anchor = undefined;
    this.#follow();
  }

  /** Keeps the first line of a row in view, from now until the person scrolls. */
  anchor(key: string): void {
    if (this.#sticks) this.#anchor ??= key;
  }

  /** Shows a row at a part of the height; the end where that is the end. */
  show(row: HTMLElement, part: number): void {
    const el = this.#el();
    if (!el) return;
    this.#anchor = undefined;
    const top = el.scrollTop + row.getBoundingClientRect().top - el.getBoundingClientRect().top - el.clientHeight * part;
    const end = el.scrollHeight - el.clientHeight;
    this.#sticks = top >= end;
    el.scrollTop = Math.min(top, end);
    this.#seen();
  }

  /** Puts a row where it once was, to the pixel. */
  put(row: HTMLElement, offset: number): void {
    const el = this.#el();
    if (!el) return;
    this.#anchor = undefined;
    this.#sticks = false;
    // The rows above it may be measured only now.
    for (let i = 0; i < 3; i++) el.scrollTop += row.getBoundingClientRect().top - el.getBoundingClientRect().top - offset;
    this.#seen();
  }

  /** The person turns the wheel or moves a finger; up is undefined when it is not known where to. */
  wants(up: boolean | undefined): void {
    this.#anchor = undefined;
    if (up === true) this.#sticks = false;
    else if (up === undefined) this.#sticks = this.#gap() < near;
  }

  scrolled(): void {
    const el = this.#el();
    if (!el) return;
    const { scrollTop, scrollHeight, clientHeight } = el;
    const up = scrollTop < this.#top - 1 && scrollHeight === this.#height && clientHeight === this.#client;
    if (up) {
      this.#sticks = false;
      this.#anchor = undefined;
    } else if (this.#gap() < near && scrollTop > this.#top) this.#sticks = true;
    this.#seen();
  }

  /** Before and after the rows change: the row at the top edge stays where it is. */
  before(): void {
    this.#held = undefined;
    const el = this.#el();
    if (!el || this.#sticks) return;
    const edge = el.getBoundingClientRect().top;
    // What is put in behind the head of a thread stands above what is read, too.
    const rows = el.querySelectorAll<HTMLElement>("[data-key]:not([data-root])");
    let low = 0;
    let high = rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle]!.getBoundingClientRect().bottom > edge) high = middle;
      else low = middle + 1;
    }
    const row = rows[low];
    if (row) this.#held = { row, top: row.getBoundingClientRect().top };
  }

  after(): void {
    const el = this.#el();
    if (!el || !this.#held?.row.isConnected) return;
    const moved = this.#held.row.getBoundingClientRect().top - this.#held.top;
    if (Math.abs(moved) > 0.5) el.scrollTop += moved;
    this.#remember();
  }

  #gap(): number {
    const el = this.#el();
    return el ? el.scrollHeight - el.scrollTop - el.clientHeight : 0;
  }

  #follow(): void {
    const el = this.#el();
    if (!el) return;
    if (this.#sticks) {
      let to = el.scrollHeight - el.clientHeight;
      const row = this.#anchor ? el.querySelector<HTMLElement>(`[data-key="${CSS.escape(this.#anchor)}"]`) : null;
      // A short one is no reason to stay behind.
      if (row && row.offsetHeight > el.clientHeight * 0.6) to = Math.min(to, el.scrollTop + row.getBoundingClientRect().top - el.getBoundingClientRect().top - 8);
      el.scrollTop = to;
    }
    this.#seen();
  }

  #seen(): void {
    this.#remember();
    this.#told(this.#gap() < near, this.#sticks);
  }

  #remember(): void {
    const el = this.#el();
    if (!el) return;
    this.#top = el.scrollTop;
    this.#height = el.scrollHeight;
    this.#client = el.clientHeight;
  }
}
