// The virtual eUICC as the IPA reaches a card: a logical channel with the ISD-R selected, APDU by APDU.
import { SimwardError } from "../../../base/errors.ts";
import type { VirtualEuicc } from "../../../hw-sim/euicc/types.ts";
import type { ApduAccess, ApduChannel } from "../../../ipa/ports.ts";

export function cardOf(euicc: VirtualEuicc): ApduAccess {
  return {
    maxCommandDataBytes: 255,
    open: async (aid) => {
      const opened = euicc.process(Uint8Array.of(0x00, 0x70, 0x00, 0x00, 0x01));
      const [channel] = opened;
      if (opened.length !== 3 || channel === undefined) throw new SimwardError("APDU_CHANNEL", { detail: "MANAGE CHANNEL" });
      const onChannel = channelOf(euicc, channel);
      const selected = await onChannel.transmit(Uint8Array.of(0x00, 0xa4, 0x04, 0x04, aid.length, ...aid));
      if (![0x90, 0x91, 0x61].includes(selected.at(-2) ?? 0)) throw new SimwardError("CARD_NOT_EUICC");
      return onChannel;
    },
  };
}

function channelOf(euicc: VirtualEuicc, channel: number): ApduChannel {
  const withChannel = (cla: number): number => (channel < 4 ? cla | channel : (cla & 0xb0) | 0x40 | (channel - 4));
  return {
    transmit: async (apdu) => euicc.process(Uint8Array.of(withChannel(apdu[0] ?? 0), ...apdu.subarray(1))),
    close: async () => void euicc.process(Uint8Array.of(0x00, 0x70, 0x80, channel, 0x00)),
  };
}
