// The radio side of a module as its owner sees it: operator, forbidden list, causes, technologies, bands, power saving.
// Each operation is the family's; the radio is switched off and on again where a write wants that.
import type { AtPort } from "./engine/types.ts";
import type {
  Bands,
  Change,
  Edrx,
  EdrxState,
  FailureCause,
  ModemFamily,
  ModemOps,
  ModemQuirks,
  OperatorChoice,
  PowerSaving,
  PsmTimers,
  RadioAccess,
  RadioSwitch,
} from "./family.ts";
import { restartLimitMs } from "./link-keeper.ts";
import type { Rat } from "./types.ts";

/** When it is given up that the radio is away for minutes. */
export interface RadioLimits {
  /** AT+COPS=? */
  readonly scanMs: number;
  /** From the order to restart to a module that is ready again. */
  readonly restartMs: number;
}

/** Every operation is refused with PORT_CLOSED or MODEM_ABSENT while the link is not ready. */
export interface ModemRadio {
  /** By the family of the module, or of no one in particular before it is identified. */
  readonly limits: RadioLimits;
  /** The choices of technologies that the family can make, each most preferred first; none where it is not known how. */
  readonly modes: readonly (readonly Rat[])[];
  /** As the module reads it now. */
  operator(signal?: AbortSignal): Promise<OperatorChoice>;
  /** EF.FPLMN: MCC and MNC digits. */
  forbiddenOperators(signal?: AbortSignal): Promise<readonly string[]>;
  /** Empties EF.FPLMN and has the module start the card anew (+CFUN 0, 1), since it keeps a copy. Answers whether something stood there; else the radio stays. */
  clearForbiddenOperators(signal?: AbortSignal): Promise<boolean>;
  /** Why the last attempt failed, in the module's words; undefined where it has none. */
  failureCause(signal?: AbortSignal): Promise<FailureCause | undefined>;
  access(signal?: AbortSignal): Promise<RadioAccess | undefined>;
  /** Read, compare, write, read back. Throws MODEM_UNABLE, AT_REPLY. A reset that the change needs is the caller's to do. */
  setAccess(rats: readonly Rat[], signal?: AbortSignal): Promise<Change>;
  bands(signal?: AbortSignal): Promise<Bands | undefined>;
  setBands(bands: Bands, signal?: AbortSignal): Promise<Change>;
  powerSaving(signal?: AbortSignal): Promise<PowerSaving | undefined>;
  setPowerSaving(timers: PsmTimers | undefined, signal?: AbortSignal): Promise<Change>;
  edrx(signal?: AbortSignal): Promise<EdrxState | undefined>;
  setEdrx(rat: Edrx["rat"], cycleSeconds: number | undefined, signal?: AbortSignal): Promise<Change>;
}

const refusedScanMs = 10_000;

function limitsOf({ scanMs, scanTries, resets, bootMs }: ModemQuirks): RadioLimits {
  const ordering = Math.max(...resets.map(({ timeoutMs }) => timeoutMs));
  // A scan that is tried again was refused at once.
  return { scanMs: scanMs + scanTries * refusedScanMs, restartMs: ordering + bootMs + restartLimitMs };
}

export interface RadioParts {
  readonly link: {
    use<T>(signal: AbortSignal | undefined, job: (port: AtPort) => Promise<T>): Promise<T>;
    readyPort(): AtPort;
  };
  readonly ops: () => ModemOps;
  readonly family: () => ModemFamily;
  /** What the owner of the module wants its function level to be. */
  readonly wanted: () => 0 | 1 | 4;
}

export function createRadio({ link, ops, family, wanted }: RadioParts): ModemRadio {
  const switchOf = (port: AtPort): RadioSwitch => ({
    off: (level) => ops().setFunction(port, level),
    // No signal may stop it.
    on: () => ops().setFunction(link.readyPort(), wanted()),
  });
  return {
    get limits() {
      return limitsOf(family().quirks);
    },
    get modes() {
      return (family().quirks.radio?.modes ?? [])
        .map(({ rats }) => rats)
        .filter((rats, at, all) => all.findIndex((other) => other.join() === rats.join()) === at);
    },
    operator: (signal) => link.use(signal, (port) => ops().operator(port)),
    forbiddenOperators: (signal) => link.use(signal, (port) => ops().forbiddenOperators(port)),
    clearForbiddenOperators: (signal) =>
      link.use(signal, async (port) => {
        if (!(await ops().clearForbiddenOperators(port))) return false;
        const radio = switchOf(port);
        try {
          await radio.off(0);
        } finally {
          await radio.on();
        }
        return true;
      }),
    failureCause: (signal) => link.use(signal, (port) => ops().failureCause(port)),
    access: (signal) => link.use(signal, (port) => ops().radioAccess(port)),
    setAccess: (rats, signal) => link.use(signal, (port) => ops().setRadioAccess(port, rats, switchOf(port))),
    bands: (signal) => link.use(signal, (port) => ops().bands(port)),
    setBands: (bands, signal) => link.use(signal, (port) => ops().setBands(port, bands, switchOf(port))),
    powerSaving: (signal) => link.use(signal, (port) => ops().powerSaving(port)),
    setPowerSaving: (timers, signal) => link.use(signal, (port) => ops().setPowerSaving(port, timers)),
    edrx: (signal) => link.use(signal, (port) => ops().edrx(port)),
    setEdrx: (rat, cycleSeconds, signal) => link.use(signal, (port) => ops().setEdrx(port, rat, cycleSeconds)),
  };
}
