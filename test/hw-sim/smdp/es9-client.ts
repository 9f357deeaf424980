// ES9+ as a client of the field speaks it, for tests: a download step by step, each value in base64 with its tag.
import { Buffer } from "node:buffer";
import { request } from "node:https";
import { toHexUpper } from "../../../base/bytes.ts";
import type { JsonObject } from "../../../hw-sim/smdp/json.ts";
import type { TestEuicc } from "./test-euicc.ts";

export type Call = (functionName: string, body: JsonObject) => Promise<JsonObject | undefined>;

export const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
export const unb64 = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(String(value), "base64"));

/** "Executed-Success", or "subject/reason" of a failure. */
export function statusOf(answer: JsonObject | undefined): string {
  const header = answer?.header as
    | { functionExecutionStatus?: { status?: string; statusCodeData?: { subjectCode: string; reasonCode: string } } }
    | undefined;
  const status = header?.functionExecutionStatus;
  return status?.statusCodeData === undefined
    ? String(status?.status)
    : `${status.statusCodeData.subjectCode}/${status.statusCodeData.reasonCode}`;
}

export async function initiate(call: Call, euicc: TestEuicc, smdpAddress: string): Promise<JsonObject> {
  return (
    (await call("initiateAuthentication", { euiccChallenge: b64(euicc.challenge), euiccInfo1: b64(euicc.info1()), smdpAddress })) ?? {}
  );
}

export async function authenticate(
  call: Call,
  euicc: TestEuicc,
  initiated: JsonObject,
  matchingId: string | undefined,
  role: "dpauth" | "dsauth" = "dpauth",
): Promise<JsonObject> {
  const server = {
    serverSigned1: unb64(initiated.serverSigned1),
    serverSignature1: unb64(initiated.serverSignature1),
    serverCertificate: unb64(initiated.serverCertificate),
  };
  const authenticateServerResponse = b64(euicc.authenticateServer(server, matchingId, role));
  return (await call("authenticateClient", { transactionId: initiated.transactionId, authenticateServerResponse })) ?? {};
}

export async function getBpp(call: Call, euicc: TestEuicc, authenticated: JsonObject, confirmationCode?: string): Promise<JsonObject> {
  const server = {
    smdpSigned2: unb64(authenticated.smdpSigned2),
    smdpSignature2: unb64(authenticated.smdpSignature2),
    smdpCertificate: unb64(authenticated.smdpCertificate),
  };
  const prepareDownloadResponse = b64(euicc.prepareDownload(server, confirmationCode));
  return (await call("getBoundProfilePackage", { transactionId: authenticated.transactionId, prepareDownloadResponse })) ?? {};
}

/** All steps up to the package; throws with the status of the first that fails. */
export async function download(
  call: Call,
  euicc: TestEuicc,
  smdpAddress: string,
  matchingId: string,
  confirmationCode?: string,
): Promise<Uint8Array> {
  const check = (step: string, answer: JsonObject): JsonObject => {
    if (statusOf(answer) !== "Executed-Success") throw new Error(`${step}: ${statusOf(answer)}`);
    return answer;
  };
  const initiated = check("initiateAuthentication", await initiate(call, euicc, smdpAddress));
  const authenticated = check("authenticateClient", await authenticate(call, euicc, initiated, matchingId));
  return unb64(check("getBoundProfilePackage", await getBpp(call, euicc, authenticated, confirmationCode)).boundProfilePackage);
}

export const transactionText = (euicc: TestEuicc): string => toHexUpper(euicc.transactionId);

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Over a real socket. Rejects when the connection fails. */
export function post(
  port: number,
  path: string,
  caPem: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  method = "POST",
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method,
        ca: caPem,
        servername: "localhost",
        headers: { "Content-Type": "application/json;charset=UTF-8", ...headers },
      },
      (response) => {
        const chunks: Uint8Array[] = [];
        response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString("utf8") }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

export function httpsCall(port: number, caPem: string): Call {
  return async (functionName, body) => {
    const answer = await post(port, `/gsma/rsp2/es9plus/${functionName}`, caPem, JSON.stringify(body), {
      "X-Admin-Protocol": "gsma/rsp/v2.2.0",
    });
    if (answer.status === 204) return undefined;
    if (answer.status !== 200) throw new Error(`HTTP ${answer.status}`);
    return JSON.parse(answer.body) as JsonObject;
  };
}
