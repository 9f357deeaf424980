// Challenges for orders that come signed: each is good once, without any clock. That it was used is durable before what it permits happens.
import { array, object, parse, record, string } from "valibot";
import { toHex } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import type { SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import type { Random } from "../../base/random.ts";
import { openState } from "../state/store.ts";

export interface Challenges {
  /** Hex of 32 octets; the same one until it is used. Durable when it resolves: a token may come days later. Throws DISK_WRITE. */
  current(purpose: string): Promise<string>;
  /** Whether this was one, and is used up. */
  wasUsed(purpose: string, challenge: string): boolean;
  /** Uses it up, durably. Answers false when it is not the current one. Throws DISK_WRITE; it is then as it was. */
  use(purpose: string, challenge: string): Promise<boolean>;
}

interface Kept {
  /** By purpose. */
  readonly current: Readonly<Record<string, string>>;
  /** "purpose challenge", the latest last. For words only: a challenge that is not the current one is refused anyway. */
  readonly used: readonly string[];
}

const challengeBytes = 32;
const maxUsed = 64;
const schema = object({ current: record(string(), string()), used: array(string()) });

/** A file that is lost makes every token given out so far worthless, and nothing else. */
export async function openChallenges(
  disk: Disk,
  random: Random,
  onLost: (why: SimwardError) => void = () => undefined,
): Promise<Challenges> {
  const store = await openState<Kept>({
    ...{ disk, name: "nonces", version: 1, onLost },
    initial: { current: {}, used: [] },
    parse: (value) => parse(schema, value),
  });
  const work = new Queue();
  return {
    current: (purpose) =>
      work.run(async () => {
        const known = store.get().current[purpose];
        if (known !== undefined) return known;
        const made = toHex(random.bytes(challengeBytes));
        await store.update((s) => ({ ...s, current: { ...s.current, [purpose]: made } }));
        return made;
      }),
    wasUsed: (purpose, challenge) => store.get().used.includes(`${purpose} ${challenge}`),
    use: (purpose, challenge) =>
      work.run(async () => {
        if (store.get().current[purpose] !== challenge) return false;
        await store.update(({ current, used }) => {
          const { [purpose]: _used, ...others } = current;
          return { current: others, used: [...used, `${purpose} ${challenge}`].slice(-maxUsed) };
        });
        return true;
      }),
  };
}
