/** Whether an input method is still composing; Safari says it by the key code alone. */
export function isComposed(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

/** Whether a key sends, as the person likes it. A keyboard on glass has no Shift: there Enter breaks the line. */
export function sends(event: KeyboardEvent, key: "enter" | "ctrl_enter" | undefined): boolean {
  if (event.key !== "Enter") return false;
  if (event.ctrlKey || event.metaKey) return true;
  return key !== "ctrl_enter" && !event.shiftKey && !event.altKey && !matchMedia("(pointer: coarse) and (hover: none)").matches;
}

/** Makes a box as high as its text. */
export function fit(area: HTMLTextAreaElement): void {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`;
}
