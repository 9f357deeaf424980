// Chance. Keys and nonces come from the system's generator; jitter and simulations from a source that a test can seed.
import { randomBytes } from "node:crypto";

export interface Random {
  bytes(length: number): Uint8Array;
  /** Uniform in [0, 1). */
  unit(): number;
}

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  unit: () => new DataView(new Uint8Array(randomBytes(4)).buffer).getUint32(0) / 2 ** 32,
};

/** The same seed gives the same sequence (splitmix32). Never for keys outside tests. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
    unit: () => next() / 2 ** 32,
  };
}

/** Integer in [0, below). */
export function integerBelow(random: Random, below: number): number {
  return Math.floor(random.unit() * below);
}

export function shuffle<T>(random: Random, items: readonly T[]): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = integerBelow(random, i + 1);
    const a = out[i] as T;
    out[i] = out[j] as T;
    out[j] = a;
  }
  return out;
}
