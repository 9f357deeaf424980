// What to do about a card that cannot be spoken with, by the code of what went wrong. A table; pure.
import type { ErrorCode } from "../../base/errors.ts";

const anew =
  "simward modem reset; if it stays so, switch the module's power off and on, then reseat the card, or put another in; simward trace apdu --last 20 shows what it answers";

const mends: Partial<Record<ErrorCode, string>> = {
  APDU_CHANNEL: `simward modem port-owner: end what else uses the card; then ${anew}`,
  APDU_CHANNEL_LOST: anew,
  APDU_STATUS: anew,
  APDU_MALFORMED: anew,
};

/** Undefined where the error's own words say enough. */
export const cardMend = (code: string): string | undefined => mends[code as ErrorCode];
