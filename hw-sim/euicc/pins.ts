// The PINs of the active profile (ETSI TS 102 221 §9.5, §11.1.9 to §11.1.13): verified since the last reset, attempts left, enabled or not.
// Attempts survive a power cut: they are kept before the answer is given.
import { equalBytes } from "../../base/bytes.ts";
import { type Answer, answer, type CommandApdu, sw } from "./apdu.ts";
import type { EuiccCore } from "./core.ts";
import { type PINConfiguration, pinKeyReferences, pukKeyReferences } from "./pe/code-elements.ts";
import { withProfile } from "./registry.ts";
import type { PinState } from "./state.ts";

const enabledAttribute = 0x01;

export class PinStore {
  readonly #core: EuiccCore;
  readonly #verified = new Set<number>();

  constructor(core: EuiccCore) {
    this.#core = core;
  }

  /** At every reset. */
  forget(): void {
    this.#verified.clear();
  }

  /** Whether a condition on that key reference is fulfilled: verified, or a PIN that is disabled. */
  isSatisfied(reference: number): boolean {
    if (this.#verified.has(reference)) return true;
    const pin = this.#find(reference);
    return pin !== undefined && !this.#stateOf(pin, reference).enabled;
  }

  /** VERIFY PIN; without data it tells the attempts left. */
  verify({ p1, p2, data }: CommandApdu): Answer {
    return p1 === 0 ? this.#checked(p2, data, () => answer(sw.ok)) : answer(sw.incorrectP1P2);
  }

  /** CHANGE PIN: the old one, the new one. */
  change({ p1, p2, data }: CommandApdu): Answer {
    if (p1 !== 0) return answer(sw.incorrectP1P2);
    if (data.length !== 16) return answer(sw.wrongLength);
    return this.#checked(p2, data.subarray(0, 8), (state) => this.#keep(p2, { ...state, value: data.slice(8) }));
  }

  /** DISABLE PIN */
  disable({ p1, p2, data }: CommandApdu): Answer {
    return p1 === 0 ? this.#checked(p2, data, (state) => this.#keep(p2, { ...state, enabled: false })) : answer(sw.incorrectP1P2);
  }

  /** ENABLE PIN */
  enable({ p1, p2, data }: CommandApdu): Answer {
    return p1 === 0 ? this.#checked(p2, data, (state) => this.#keep(p2, { ...state, enabled: true })) : answer(sw.incorrectP1P2);
  }

  /** UNBLOCK PIN: the PUK, the new PIN. */
  unblock({ p1, p2, data }: CommandApdu): Answer {
    if (p1 !== 0) return answer(sw.incorrectP1P2);
    const pin = this.#find(p2);
    const active = this.#core.active;
    const reference = pin?.unblockingPINReference;
    const puk = active === undefined ? undefined : this.#core.profileOf(active).puks.find((one) => one.keyReference === reference);
    if (pin === undefined || puk === undefined) return answer(sw.referencedDataNotFound);
    const own = 0x100 | referenceNumber(puk.keyReference, pukKeyReferences);
    const attempts = Number(puk["maxNumOfAttemps-retryNumLeft"]);
    const state = active?.pins?.[own] ?? { value: puk.pukValue, enabled: true, left: attempts & 0x0f };
    if (data.length === 0) return answer(0x63c0 | state.left);
    if (data.length !== 16) return answer(sw.wrongLength);
    if (state.left === 0) return answer(sw.pinBlocked);
    if (!equalBytes(state.value, data.subarray(0, 8))) return this.#failed(own, state);
    this.#keep(own, { ...state, left: attempts >> 4 });
    this.#verified.add(p2);
    const max = Number(pin["maxNumOfAttemps-retryNumLeft"]) >> 4;
    return this.#keep(p2, { ...this.#stateOf(pin, p2), value: data.slice(8), left: max, enabled: true });
  }

  #checked(reference: number, value: Uint8Array, then: (state: PinState) => Answer): Answer {
    const pin = this.#find(reference);
    if (pin === undefined) return answer(sw.referencedDataNotFound);
    const state = this.#stateOf(pin, reference);
    if (value.length === 0) return answer(0x63c0 | state.left);
    if (value.length !== 8) return answer(sw.wrongLength);
    if (state.left === 0) return answer(sw.pinBlocked);
    if (!equalBytes(state.value, value)) {
      this.#verified.delete(reference);
      return this.#failed(reference, state);
    }
    this.#verified.add(reference);
    const whole = { ...state, left: Number(pin["maxNumOfAttemps-retryNumLeft"]) >> 4 };
    if (whole.left !== state.left) this.#keep(reference, whole);
    return then(whole);
  }

  #failed(reference: number, state: PinState): Answer {
    const left = state.left - 1;
    this.#keep(reference, { ...state, left });
    return answer(left === 0 ? sw.pinBlocked : 0x63c0 | left);
  }

  #keep(reference: number, pin: PinState): Answer {
    const active = this.#core.active;
    if (active === undefined) return answer(sw.referencedDataNotFound);
    this.#core.update((state) => withProfile(state, active.aid, { pins: { ...active.pins, [reference]: pin } }));
    return answer(sw.ok);
  }

  #find(reference: number): PINConfiguration | undefined {
    const active = this.#core.active;
    if (active === undefined) return undefined;
    return this.#core.profileOf(active).pins.find(({ pin }) => referenceNumber(pin.keyReference, pinKeyReferences) === reference)?.pin;
  }

  #stateOf(pin: PINConfiguration, reference: number): PinState {
    const kept = this.#core.active?.pins?.[reference];
    const left = Number(pin["maxNumOfAttemps-retryNumLeft"]) & 0x0f;
    return kept ?? { value: pin.pinValue, enabled: (Number(pin.pinAttributes) & enabledAttribute) !== 0, left };
  }
}

function referenceNumber(reference: string | number | bigint, names: Readonly<Record<string, number>>): number {
  return typeof reference === "string" ? (names[reference] ?? 0) : Number(reference);
}
