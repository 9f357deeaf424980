// Where the eIMs, counters and package results of consumer eUICCs are kept: consumer.0.json and consumer.1.json. What is damaged stays where it is and is
// an error: with counters that begin anew, a package from before would be obeyed once more.
import { nullable, object, parse, unknown } from "valibot";
import type { Disk } from "../../base/disk.ts";
import type { Journal } from "../../ipa/ports.ts";
import { openState, type StateStore } from "./store.ts";

interface Kept {
  readonly content: object | null;
}

const schema = object({ content: nullable(unknown()) });

/** `load` throws STATE_CORRUPT, STATE_TOO_NEW, DISK_READ. */
export function consumerMemory(disk: Disk): Journal {
  let store: Promise<StateStore<Kept>> | undefined;
  const opened = (): Promise<StateStore<Kept>> => {
    store ??= openState<Kept>({
      disk,
      name: "consumer",
      version: 1,
      initial: { content: null },
      parse: (value) => {
        const { content } = parse(schema, value);
        return { content: typeof content === "object" ? content : null };
      },
    });
    store.catch(() => {
      store = undefined;
    });
    return store;
  };
  return {
    load: async () => (await opened()).get().content ?? undefined,
    save: async (content) => (await opened()).update(() => ({ content })),
  };
}
