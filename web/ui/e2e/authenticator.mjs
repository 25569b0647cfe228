// An authenticator app, as people have it on their phones: TOTP of RFC 6238.
import { createHmac } from "node:crypto";
import { until } from "./harness.mjs";

const step = () => Math.floor(Date.now() / 30_000);

function code(key, at) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(at));
  const sum = createHmac("sha1", key).update(counter).digest();
  const from = sum[19] & 15;
  return String((sum.readUInt32BE(from) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

function fromBase32(text) {
  const bits = [...text.replace(/\s|=/g, "").toUpperCase()].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  return Buffer.from(bits.match(/.{8}/g).map((b) => Number.parseInt(b, 2)));
}

/** An app with the key of one account. Each code counts once, so the next is that of a later step; the server takes one that is a step early. */
export function authenticator(secret) {
  const key = fromBase32(secret);
  let last = 0;
  return {
    async next() {
      await until(() => step() >= last, "the clock to come to the next code");
      last = Math.max(last + 1, step());
      return code(key, last);
    },
    /** A code that is none of now. */
    wrong: () => ["000000", "111111", "222222", "333333"].find((c) => ![-2, -1, 0, 1, 2, 3].some((d) => code(key, step() + d) === c)),
  };
}
