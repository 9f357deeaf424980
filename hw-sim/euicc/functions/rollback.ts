// ES10b.ProfileRollback (SGP.32 §3.3.2, §5.9.16): back to the profile before, where the package that enabled the present one allowed it.
// The package's result is signed anew with the rollback's result at its end, and takes the place of the first.
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import type { ProfileRollbackRequest, ProfileRollbackResponse } from "../../../ipa/messages/es10.ts";
import { EuiccPackageResult, EuiccResultData } from "../../../ipa/messages/package.ts";
import type { EuiccCore } from "../core.ts";
import { profileByAid, switched } from "../registry.ts";
import { without } from "../state.ts";
import { signedResult } from "./package.ts";
import { isCatBusy } from "./switching.ts";

export function profileRollback(core: EuiccCore, { refreshFlag }: ProfileRollbackRequest): ProfileRollbackResponse {
  const { rollback, emergency } = core.state;
  if (rollback === undefined) return { cmdResult: "rollbackNotAllowed" };
  if (emergency !== undefined || profileByAid(core.state, rollback.aid) === undefined) return { cmdResult: "commandError" };
  if (isCatBusy(core)) return { cmdResult: "catBusy" };
  const back = switched(core, without(core.state, "rollback", "fallbackFrom"), rollback.aid);
  const result = encode(EuiccResultData, { kind: "rollbackResult", value: "ok" });
  const seqNumber = back.seqCounter + 1;
  const tlv = signedResult(core, { ...rollback.execution, results: [...rollback.execution.results, result] }, seqNumber);
  core.update(() => ({
    ...back,
    seqCounter: seqNumber,
    packageResults: [...back.packageResults.filter((one) => one.seqNumber !== rollback.seqNumber), { seqNumber, tlv }],
  }));
  if (refreshFlag) core.wantRefresh();
  return { cmdResult: "ok", eUICCPackageResult: decode(EuiccPackageResult, tlv) };
}
