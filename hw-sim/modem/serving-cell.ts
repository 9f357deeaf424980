// The cell in use as vendor commands tell of it: what the radio world says, and for the rest figures that go with it.
import type { SimRat } from "../contracts.ts";
import type { VirtualModem } from "./module.ts";

export interface ServingCell {
  readonly rat: SimRat;
  readonly plmn: string;
  readonly mcc: string;
  readonly mnc: string;
  readonly name: string;
  readonly shortName: string;
  /** Hexadecimal, as the network's. */
  readonly tac: string;
  readonly cellId: string;
  readonly cellNumber: number;
  readonly pci: number;
  readonly band: number;
  readonly channel: number;
  readonly rsrpDbm: number;
  readonly rsrqDb: number;
  readonly rssiDbm: number;
  readonly sinrDb: number;
}

/** Band 20, EARFCN 6300 for LTE; GSM 900, ARFCN 20. */
export const cellBands: Readonly<Record<SimRat, { readonly band: number; readonly channel: number }>> = {
  "lte-m": { band: 20, channel: 6_300 },
  "cat-1bis": { band: 20, channel: 6_300 },
  "nb-iot": { band: 20, channel: 6_252 },
  gsm: { band: 900, channel: 20 },
};

export function servingCell(modem: VirtualModem): ServingCell | undefined {
  const { cell, rat } = modem.registration.state;
  if (cell === undefined || rat === undefined) return undefined;
  const { plmn, tac, cellId, rsrpDbm } = cell;
  const seen = modem.world.scan(modem.sim.subscriber, rat).find((operator) => operator.plmn === plmn);
  const cellNumber = Number.parseInt(cellId, 16);
  return {
    rat,
    plmn,
    mcc: plmn.slice(0, 3),
    mnc: plmn.slice(3),
    name: seen?.name ?? cell.operator,
    shortName: seen?.shortName ?? cell.operator,
    tac,
    cellId,
    cellNumber,
    pci: cellNumber % 504,
    ...cellBands[rat],
    rsrpDbm,
    rsrqDb: -10,
    // Over the fifty resource blocks of ten megahertz.
    rssiDbm: rsrpDbm + 20,
    sinrDb: Math.max(-5, Math.min(25, Math.round((rsrpDbm + 115) / 2))),
  };
}

/** `value`, or the nearest end of its range. */
export function clamp(value: number, min: number, max: number): number {
  return Math.max(min, Math.min(max, Math.round(value)));
}
