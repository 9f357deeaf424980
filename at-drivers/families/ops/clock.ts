// The network's time by the family's ways in turn: only a clock that the network sets is worth anything.
import * as general from "../../commands/general.ts";
import { parseLocalTime, parseUniversalTime } from "../../commands/time.ts";
import type { AtPort } from "../../engine/types.ts";
import type { ClockWay, ModemOps, ModemQuirks } from "../../family.ts";
import { orUndefined } from "./common.ts";

export function clockOps(quirks: ModemQuirks): Pick<ModemOps, "networkTime"> {
  return {
    async networkTime(port) {
      for (const way of quirks.clock) {
        const answer = await orUndefined(clockWays[way](port, quirks));
        if (answer !== undefined) return answer.utcMs;
      }
      return undefined;
    },
  };
}

/** `utcMs` undefined: no network has set it yet. */
interface Answer {
  readonly utcMs: number | undefined;
}

const clockWays: Readonly<Record<ClockWay, (port: AtPort, quirks: ModemQuirks) => Promise<Answer>>> = {
  async cclk(port, { localCtzu }) {
    const { mode } = await port.send(general.readCtzu);
    return mode === localCtzu ? localClock(port) : { utcMs: undefined };
  },
  async clts(port) {
    const { mode } = await port.send(general.readClts);
    return mode === 1 ? localClock(port) : { utcMs: undefined };
  },
  qlts: async (port) => ({ utcMs: parseUniversalTime(await port.send(general.qlts)) }),
};

async function localClock(port: AtPort): Promise<Answer> {
  return { utcMs: parseLocalTime((await port.send(general.readCclk)).time) };
}
