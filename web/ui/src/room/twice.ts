const twiceWithin = 600;

/** Says whether Escape was pressed twice shortly after each other. */
export function twice(within = twiceWithin): (at: number) => boolean {
  let last = -Infinity;
  return (at) => {
    const is = at - last <= within;
    last = is ? -Infinity : at;
    return is;
  };
}
