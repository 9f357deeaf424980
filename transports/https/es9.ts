// ES9+ and ES11 in JSON over HTTPS (SGP.22 §6.5): the way of the IPA to SM-DP+ and SM-DS.
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Es9Transport } from "../../ipa/ports.ts";
import type { HttpsClient } from "./types.ts";

export interface Es9Options {
  readonly https: HttpsClient;
  /** Highest version of SGP.22 supported, as the header has it. */
  readonly adminProtocol?: string;
  readonly userAgent?: string;
}

/** `post` throws what HttpsClient throws; HTTP_STATUS for any other than 200 and 204; HTTP_MESSAGE when the body is not JSON. */
export function createEs9Transport({ https, adminProtocol = "gsma/rsp/v2.2.0", userAgent = "gsma-rsp-ipad" }: Es9Options): Es9Transport {
  return {
    post: async (server, functionName, body, signal) => {
      const response = await https.request(
        { host: server.host, port: server.port, serverName: server.host, trust: server.trust },
        {
          method: "POST",
          path: `/gsma/rsp2/es9plus/${functionName}`,
          headers: { "Content-Type": "application/json;charset=UTF-8", "X-Admin-Protocol": adminProtocol, "User-Agent": userAgent },
          body: utf8(JSON.stringify(body)),
        },
        signal,
      );
      const where = `${server.host}:${server.port}, ${functionName}`;
      if (response.status === 204 || (response.status === 200 && response.body.length === 0)) return undefined;
      if (response.status !== 200)
        throw new SimwardError("HTTP_STATUS", { detail: `${where}: ${response.status}`, data: { status: response.status } });
      try {
        return JSON.parse(fromUtf8(response.body));
      } catch {
        // The engine's own words quote the body.
        throw new SimwardError("HTTP_MESSAGE", { detail: `${where}: the body is not JSON` });
      }
    },
  };
}
