// A card of this process in the module's slot: always there, answers at once.
import type { CardConnection, Uicc } from "../contracts.ts";

export function builtInCard(uicc: Uicc): CardConnection {
  return {
    present: true,
    transmit: (apdu) => uicc.process(apdu),
    reset: () => {
      uicc.reset();
      return undefined;
    },
    // biome-ignore lint/correctness/useYield: it needs no command, as the card says it directly.
    *subscriber() {
      const { imsi, iccid } = uicc;
      return imsi === undefined || iccid === undefined ? undefined : { imsi, iccid };
    },
    onPresence: () => () => {},
  };
}
