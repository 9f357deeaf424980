// A running total of what has passed the interfaces that carried the vehicle's data, made of counters that begin anew whenever the kernel makes an interface.
// Never negative and nothing twice: what cannot be known (what passed between the last look and the end of an interface) is left out.
import type { ByteCounts } from "../connectivity/sessions.ts";

export interface ByteMeter {
  /** Of all interfaces followed so far, up to now; undefined while none could be counted. */
  total(): ByteCounts | undefined;
  /** This interface carries the data from now on: what it counted before was somebody else's. */
  begin(name: string): void;
  /** Looks once more, and no longer: nothing of the interface counts from here on. */
  end(): void;
}

/** `read`: counters of the interface as they stand, undefined where there is none. Looked at with each call of `total` too. */
export function createByteMeter(read: (name: string) => ByteCounts | undefined): ByteMeter {
  let total: ByteCounts | undefined;
  let followed: { readonly name: string; readonly last: ByteCounts | undefined } | undefined;

  const look = (): void => {
    if (followed === undefined) return;
    const now = read(followed.name);
    if (now === undefined) return;
    const passed = passedSince(followed.last, now);
    total = {
      receivedBytes: (total?.receivedBytes ?? 0) + passed.receivedBytes,
      sentBytes: (total?.sentBytes ?? 0) + passed.sentBytes,
    };
    followed = { ...followed, last: now };
  };

  return {
    total() {
      look();
      return total;
    },
    begin(name) {
      look();
      followed = { name, last: undefined };
      look();
    },
    end() {
      look();
      followed = undefined;
    },
  };
}

/** Either counter lower than before: both have begun anew, and all that they show has passed since. Without a look before, nothing is known to have. */
export function passedSince(before: ByteCounts | undefined, now: ByteCounts): ByteCounts {
  if (before === undefined) return { receivedBytes: 0, sentBytes: 0 };
  if (now.receivedBytes < before.receivedBytes || now.sentBytes < before.sentBytes) return now;
  return { receivedBytes: now.receivedBytes - before.receivedBytes, sentBytes: now.sentBytes - before.sentBytes };
}
