// A card just clever enough to test the module with: three channels, one application, a response of any length, a REFRESH.
import { concatBytes, emptyBytes, equalBytes, fromHex, iccidToBytes } from "../../../base/bytes.ts";
import type { Uicc } from "../../../hw-sim/contracts.ts";

export const applicationAid = fromHex("A0000005591010FFFFFFFF8900000100");
const answer = (sw: number, data: Uint8Array = emptyBytes): Uint8Array => concatBytes(data, Uint8Array.of(sw >> 8, sw & 0xff));

export class StubCard implements Uicc {
  /** Command APDUs as they arrived, TERMINAL PROFILE left out. */
  readonly seen: Uint8Array[] = [];
  resets = 0;
  iccid: string | undefined = "8988211000000000011";
  imsi: string | undefined = "901980000000001";
  /** What STORE DATA answers. */
  response = emptyBytes;
  /** Takes effect with the next reset, announced by 91xx. */
  switchTo: { iccid: string; imsi: string } | undefined;
  #pending = emptyBytes;
  #proactive: Uint8Array | undefined;
  readonly #open = new Set<number>([0]);

  process(apdu: Uint8Array): Uint8Array {
    const [cla = 0, ins = 0, p1 = 0, p2 = 0, p3 = 0] = apdu;
    if (ins === 0x10) return answer(0x9000);
    this.seen.push(apdu);
    if (ins === 0x70) return this.#manageChannel(p1, p2);
    if (!this.#open.has(cla & 0x03)) return answer(0x6881);
    if (ins === 0xa4) return answer(this.#knows(apdu.subarray(5, 5 + p3)) ? 0x9000 : 0x6a82);
    if (ins === 0xb0) return answer(0x9000, iccidToBytes(this.iccid ?? ""));
    if (ins === 0xe2) return this.#storeData();
    if (ins === 0xc0) return this.#pieces(p3 || 256);
    if (ins === 0x12) return answer(0x9000, this.#proactive ?? emptyBytes);
    if (ins === 0x14) return answer(0x9000);
    return answer(0x6d00);
  }

  reset(): void {
    this.resets++;
    this.#open.clear();
    this.#open.add(0);
    this.#pending = emptyBytes;
    this.#proactive = undefined;
    if (this.switchTo !== undefined) ({ iccid: this.iccid, imsi: this.imsi } = this.switchTo);
    this.switchTo = undefined;
  }

  readFile(): undefined {
    return undefined;
  }

  onRefresh(): () => void {
    return () => {};
  }

  /** Its application, and EF.ICCID. */
  #knows(name: Uint8Array): boolean {
    return equalBytes(name, applicationAid) || equalBytes(name, fromHex("2FE2"));
  }

  #manageChannel(p1: number, p2: number): Uint8Array {
    if (p1 === 0x80) return answer(this.#open.delete(p2) ? 0x9000 : 0x6881);
    const free = [1, 2, 3].find((channel) => !this.#open.has(channel));
    if (free === undefined) return answer(0x6a81);
    this.#open.add(free);
    return answer(0x9000, Uint8Array.of(free));
  }

  #storeData(): Uint8Array {
    this.#pending = this.response;
    if (this.switchTo !== undefined) this.#proactive = fromHex("D009810301010482028182");
    return this.#pieces(0);
  }

  #pieces(length: number): Uint8Array {
    const part = this.#pending.slice(0, length);
    this.#pending = this.#pending.slice(length);
    const left = this.#pending.length;
    if (left > 0) return answer(0x6100 | (left > 255 ? 0 : left), part);
    return answer(this.#proactive === undefined ? 0x9000 : 0x9100 | this.#proactive.length, part);
  }
}
