// Immediate profile enabling (SGP.32 §3.2.3, §5.9.15, §5.9.17): asked of the card in the RSP session that installed a profile, and configured by local
// command while no eIM is associated; later only an eIM may do that.
import { errorReport, isCode, SimwardError } from "../../base/errors.ts";
import { configureImmediateProfileEnabling, type Es10, immediateEnable } from "../euicc/es10.ts";
import { judgeImmediateEnable } from "../machines/immediate.ts";
import { profileFacts, readProfiles } from "./card.ts";
import type { IpaContext } from "./context.ts";
import { deferred } from "./emergency.ts";

export interface ImmediateEnableOrder {
  /** Profiles of the SM-DP+ below are enabled as soon as they are installed; of any where none is named. */
  readonly enabled: boolean;
  /** Dotted decimal. */
  readonly smdpOid?: string | undefined;
  /** FQDN. */
  readonly smdpAddress?: string | undefined;
}

export interface ImmediatelyEnabled {
  readonly ok: boolean;
  readonly refreshPending: boolean;
}

/** Within the session that installed it. An emergency does not let it happen: then the profile stays disabled, for the eIM to enable. */
export async function enableImmediately(
  context: IpaContext,
  es10: Es10,
  iccid: string | undefined,
  signal: AbortSignal | undefined,
): Promise<ImmediatelyEnabled> {
  if ((await deferred(context, immediateEnable.name)) !== undefined) return { ok: false, refreshPending: false };
  const { options, ports, tell } = context;
  for (let attempts = 1; ; attempts++) {
    let problem: unknown;
    const code = await es10
      .call(immediateEnable, { refreshFlag: options.refreshFlag })
      .then(({ immediateEnableResult }) =>
        typeof immediateEnableResult === "bigint" ? String(immediateEnableResult) : immediateEnableResult,
      )
      .catch((error: unknown) => {
        signal?.throwIfAborted();
        problem = error;
        return isCode(error, "ES10_UNSUPPORTED") ? "ES10_UNSUPPORTED" : "undefinedError";
      });
    const isEnabled = code === "ok" || (await isEnabledOn(es10, iccid, signal));
    switch (judgeImmediateEnable(code, isEnabled, attempts)) {
      case "enabled":
        return { ok: true, refreshPending: es10.refreshPending };
      case "left":
        return { ok: false, refreshPending: false };
      case "failed": {
        const error = problem ?? new SimwardError("ES10_REFUSED", { detail: `${immediateEnable.name}: ${code}` });
        await tell({ kind: "warning", where: immediateEnable.name, error: errorReport(error) });
        return { ok: false, refreshPending: false };
      }
      case "again":
        await ports.clock.sleep(options.reportRetryMs, signal);
    }
  }
}

async function isEnabledOn(es10: Es10, iccid: string | undefined, signal: AbortSignal | undefined): Promise<boolean> {
  if (iccid === undefined) return false;
  try {
    return (await readProfiles(es10)).map(profileFacts).some((profile) => profile.enabled && profile.iccid === iccid);
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

/** Throws ES10_REFUSED: insufficientMemory, associatedEimAlreadyExists, undefinedError. */
export async function configureImmediateEnable(
  { euicc }: IpaContext,
  { enabled, smdpOid, smdpAddress }: ImmediateEnableOrder,
  signal: AbortSignal | undefined,
): Promise<void> {
  await euicc.withEuicc(
    "immediate enabling",
    (es10) =>
      es10.carryOut(configureImmediateProfileEnabling, {
        ...(enabled ? { immediateEnableFlag: true } : {}),
        ...(smdpOid === undefined ? {} : { defaultSmdpOid: smdpOid }),
        ...(smdpAddress === undefined ? {} : { defaultSmdpAddress: smdpAddress }),
      }),
    signal,
  );
}
