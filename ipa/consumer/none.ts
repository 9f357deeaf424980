// A consumer eUICC on which no eIM is obeyed: to the rest of the IPA an eUICC with no eIM and no package result. What SGP.22 has goes through.
import { decode, encode } from "../asn1/schema.ts";
import type { Es10Link } from "../euicc/es10.ts";
import { GetEimConfigurationDataResponse } from "../messages/eim-config.ts";
import { RetrieveNotificationsListRequest, RetrieveNotificationsListResponse } from "../messages/package.ts";

export function withoutEims(link: Es10Link): Es10Link {
  return {
    get refreshPending() {
      return link.refreshPending;
    },
    exchange(command, idempotent) {
      const tag = ((command[0] ?? 0) << 8) | (command[1] ?? 0);
      if (tag === 0xbf55) return Promise.resolve(encode(GetEimConfigurationDataResponse, { eimConfigurationDataList: [] }));
      if (tag === 0xbf2b && decode(RetrieveNotificationsListRequest, command).searchCriteria?.kind === "euiccPackageResults")
        return Promise.resolve(encode(RetrieveNotificationsListResponse, { kind: "euiccPackageResultList", value: [] }));
      return link.exchange(command, idempotent);
    },
  };
}
