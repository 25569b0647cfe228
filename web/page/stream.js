// A Stream puts the pieces of one turn's answer together. Pieces are best effort:
// one may come twice, late, or not at all, and a new attempt starts over. Offsets
// count UTF-16 code units, as the length of a string does here. What is shown is
// a preview; the stored message replaces it.

export class Stream {
  attempt = 0;
  text = "";
  #end = 0; // differs from text.length once a piece was lost

  // begin starts a new attempt; an older one is ignored.
  begin(attempt) {
    if (attempt <= this.attempt) return;
    this.attempt = attempt;
    this.text = "";
    this.#end = 0;
  }

  // add returns whether the text changed.
  add({ attempt, offset, text }) {
    if (attempt < this.attempt) return false;
    this.begin(attempt);
    const known = Math.max(0, this.#end - offset);
    if (known >= text.length) return false;
    if (offset > this.#end) this.text += "…";
    this.text += text.slice(known);
    this.#end = offset + text.length;
    return true;
  }
}
