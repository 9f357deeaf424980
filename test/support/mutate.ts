// Damages what a module says: octets changed, lost, added, repeated, and the signs that mean something put where they do not belong.
import { integerBelow, type Random } from "../../base/random.ts";

const signs = ['"', ",", "\r", "\n", "(", ")", "-", ":", "\0", "> "];

export function mutate(random: Random, octets: Uint8Array): Uint8Array {
  const out = [...octets];
  for (let i = integerBelow(random, 8); i >= 0; i--) {
    const at = integerBelow(random, out.length + 1);
    const count = integerBelow(random, 12);
    switch (integerBelow(random, 5)) {
      case 0:
        out.splice(at, 1, integerBelow(random, 256));
        break;
      case 1:
        out.splice(at, count);
        break;
      case 2:
        out.splice(at, 0, ...random.bytes(count));
        break;
      case 3:
        out.splice(at, 0, ...out.slice(at, at + count * 4));
        break;
      default:
        out.splice(at, 0, ...Buffer.from(signs[count % signs.length] ?? ""));
    }
  }
  // Some lines never end.
  return Uint8Array.from(random.unit() < 0.01 ? [...out, ...new Array<number>(3_000).fill(0x41)] : out);
}
